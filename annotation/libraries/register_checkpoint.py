"""Checkpoints become model versions, pinned by the hashes of their weights. Reads their papers."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet

from annotation.checkpoints.models import ModelVersion
from annotation.libraries import embed
from annotation.libraries.models import LibraryVersion
from models_ml.checkpoint_info import read_checkpoint_info


def register_checkpoint(folder: Path, *, make_default: bool = True) -> ModelVersion:
    """The checkpoint's model version, the one that is there or a new one. Raises BrokenCheckpoint.

    Registering again updates where the folder lies and what was measured; the pins never change. For a new
    default, workers embed each library's newest version, before the first job after an upgrade needs it.
    """
    info = read_checkpoint_info(folder)
    with transaction.atomic():
        version, _ = ModelVersion.objects.update_or_create(
            checkpoint_sha256=info.checkpoint_sha256,
            ranking_sha256=info.ranking_sha256 or "",
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
            for library_version in _newest_ready():
                embed.request_embedding(library_version, version)
    return version


def _newest_ready() -> QuerySet[LibraryVersion]:
    ready = LibraryVersion.objects.filter(state=LibraryVersion.State.READY)
    return ready.order_by("library_id", "-number").distinct("library_id")
