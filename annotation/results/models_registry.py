"""Checkpoints become model versions, pinned by the hash of their weights. Reads their papers."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from annotation.results.models import ModelVersion
from models_ml.checkpoint_info import read_checkpoint_info


def register_checkpoint(folder: Path, *, make_default: bool = True) -> ModelVersion:
    """The checkpoint's model version, the one that is there or a new one. Raises BrokenCheckpoint.

    Registering again updates where the folder lies and what was measured; the pins never change.
    """
    info = read_checkpoint_info(folder)
    with transaction.atomic():
        version, _ = ModelVersion.objects.update_or_create(
            checkpoint_sha256=info.checkpoint_sha256,
            defaults={
                "name": info.name[:100],
                "method": info.method,
                "tokenizer_sha256": info.tokenizer_sha256,
                "folder": str(folder.resolve()),
                "embedding_dim": info.embedding_dim,
                "config": dict(info.config),
                "training": dict(info.training),
                "metrics": dict(info.metrics),
                "license": info.license[:200],
            },
        )
        if make_default and not version.is_default:
            ModelVersion.objects.filter(is_default=True).update(is_default=False)
            version.is_default = True
            version.save(update_fields=["is_default"])
    return version
