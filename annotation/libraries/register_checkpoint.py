"""Register checkpoints as model versions, and choose the default model. Loads no weights."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from annotation.checkpoints.models import ModelVersion
from annotation.libraries import embed
from annotation.libraries.models import LibraryVersion
from models_ml.checkpoint_info import read_checkpoint_info


def register_checkpoint(folder: Path, *, as_default: bool = True) -> ModelVersion:
    """The model version of the checkpoint, existing or new. Raises BrokenCheckpoint.

    Registering again updates the folder and the metrics. The hashes never change.
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
        if as_default:
            make_default(version)
    return version


def make_default(model_version: ModelVersion) -> None:
    """Let new jobs use the model by default, and request the embedding of every library for it.

    Of each library, workers embed the newest ready version, before the first job needs it. For the model that
    is the default already, only missing requests are added.
    """
    with transaction.atomic():
        # The lock makes concurrent calls wait for each other: there is never more than one default model.
        list(ModelVersion.objects.select_for_update().order_by("pk").values_list("pk"))
        ModelVersion.objects.filter(is_default=True).exclude(pk=model_version.pk).update(is_default=False)
        ModelVersion.objects.filter(pk=model_version.pk).update(is_default=True)
        for library_version in LibraryVersion.objects.ready().newest_of_each_library():
            embed.request_embedding(library_version, model_version)
    model_version.is_default = True
