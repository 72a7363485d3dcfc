"""Which molecules still lack a vector for which model. Workers take the work in chunks and store it here.

One worker at a time embeds a library version for a model version: its lock ends with its transaction,
so a worker that dies leaves nothing behind but what it had stored.

Embeddings are only ever added, so a complete library stays complete. `jobs/embedding_queue.py` decides what
is embedded first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from annotation.checkpoints.models import ModelVersion
from annotation.libraries import vector_index, vectors
from annotation.libraries.models import LibraryEmbedding, LibraryEntry, LibraryVersion, MoleculeEmbedding
from models_ml.outcomes import Embedding

# First half of the advisory lock's key, any fixed number; the second half is the run's id.
_LOCK_CLASS = 0x474C4D52

EmbedMolecules = Callable[[Sequence[str]], Embedding]


def request_embedding(version: LibraryVersion, model_version: ModelVersion) -> LibraryEmbedding:
    """Note that the library version is wanted for the model; workers do it when they come to it."""
    run, is_new = LibraryEmbedding.objects.get_or_create(version=version, model_version=model_version)
    if is_new:
        # Another library may have brought some of the molecules already.
        run.n_embedded = version.n_molecules - _missing(run).count()
        run.save(update_fields=["n_embedded"])
    return run


def is_embedded(version: LibraryVersion, model_version: ModelVersion) -> bool:
    return LibraryEmbedding.objects.filter(
        version=version, model_version=model_version, finished_at__isnull=False
    ).exists()


def embed_chunk(run: LibraryEmbedding, embed_molecules: EmbedMolecules, *, limit: int) -> int | None:
    """Embed up to `limit` molecules, lightest first; their number, or 0 when this finds the run complete.

    None if another worker is at this run. The order of mass puts the rows of a precursor window side by
    side on disk, where the search finds them fastest.
    """
    with transaction.atomic():
        if not lock(run):
            return None
        chunk = list(_missing(run).values_list("molecule_id", "molecule__smiles")[:limit])
        if not chunk:
            _finish(run)
            return 0
        store_chunk(run, chunk, embed_molecules)
    return len(chunk)


def store_chunk(
    run: LibraryEmbedding, chunk: Sequence[tuple[int, str]], embed_molecules: EmbedMolecules
) -> None:
    """Inside the transaction that holds the run's lock."""
    if run.version.n_molecules - run.n_embedded > vector_index.WORTH_IT_FROM:
        vector_index.drop(run.model_version_id)
    ids, smiles = zip(*chunk, strict=True)
    vectors.store(run.model_version_id, ids, embed_molecules(smiles))
    LibraryEmbedding.objects.filter(pk=run.pk).update(n_embedded=F("n_embedded") + len(chunk))


def _missing(run: LibraryEmbedding) -> QuerySet[LibraryEntry]:
    there = MoleculeEmbedding.objects.filter(
        model_version=run.model_version_id, molecule=OuterRef("molecule")
    )
    return LibraryEntry.objects.filter(~Exists(there), version=run.version_id).order_by(
        "exact_mass", "molecule_id"
    )


def lock(run: LibraryEmbedding) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, run.pk])
        return bool(cursor.fetchone()[0])


def _finish(run: LibraryEmbedding) -> None:
    LibraryEmbedding.objects.filter(pk=run.pk).update(n_embedded=run.version.n_molecules, finished_at=Now())
    with connection.cursor() as cursor:
        # The search is planned from statistics; without fresh ones it may read the whole table.
        cursor.execute("ANALYZE annotation_moleculeembedding")
