"""HNSW indexes for open search, one per model version. Pre-retrieval in a mass window never uses them."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef

from annotation.checkpoints.models import ModelVersion
from annotation.libraries.models import LibraryEmbedding, LibraryVersion, MoleculeEmbedding

# With fewer molecules an exact scan answers an open search in about ten milliseconds.
WORTH_IT_FROM = 20_000


def build_missing() -> ModelVersion | None:
    """Build the index of one model version that is large enough. None if every such index exists.

    Skips a model while a library is being embedded for it, because the next chunk would drop the index again.
    Writers of embeddings wait during the build (a minute or two for half a million molecules), readers do
    not.
    """
    for model_version in _large_enough():
        name = _name(model_version.pk)
        if _exists(name):
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            # Measured with 500,000 vectors: a build that does not fit in memory takes twice as long.
            cursor.execute("SET LOCAL maintenance_work_mem = '1GB'")
            cursor.execute(
                f"CREATE INDEX IF NOT EXISTS {name} ON annotation_moleculeembedding"
                f" USING hnsw ((vector::halfvec({model_version.embedding_dim})) halfvec_ip_ops)"
                f" WHERE model_version_id = {model_version.pk}"
            )
        return model_version
    return None


def drop(model_version_id: int) -> None:
    """Call before a bulk load: loading into an index is about 100 times slower than building it again."""
    name = _name(model_version_id)
    if _exists(name):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")


def _large_enough() -> list[ModelVersion]:
    counts = MoleculeEmbedding.objects.order_by().values("model_version").annotate(n=Count("pk"))
    growing = LibraryEmbedding.objects.filter(
        model_version=OuterRef("pk"), finished_at=None, version__state=LibraryVersion.State.READY
    )
    return list(
        ModelVersion.objects.filter(
            ~Exists(growing), pk__in=counts.filter(n__gt=WORTH_IT_FROM).values("model_version")
        )
    )


def _name(model_version_id: int) -> str:
    return f"embedding_hnsw_{int(model_version_id)}"


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_indexes WHERE indexname = %s", [name])
        return cursor.fetchone() is not None
