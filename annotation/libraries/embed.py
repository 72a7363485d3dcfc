"""Embed the molecules of libraries: which ones lack a vector for a model, and storing the vectors in chunks.

One worker at a time embeds a library version for a model version. Its lock ends with its transaction, so a
worker that dies leaves only the chunks that it stored.

Embeddings are never removed, so a complete library stays complete. `jobs/embedding_queue.py` decides what
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

# First half of the key of the advisory lock, an arbitrary fixed number. The second half is the run's id.
_LOCK_CLASS = 0x474C4D52

EmbedMolecules = Callable[[Sequence[str]], Embedding]


def request_embedding(version: LibraryVersion, model_version: ModelVersion) -> LibraryEmbedding:
    """Request the embedding of a library version for a model. Does nothing if it was requested before."""
    run, is_new = LibraryEmbedding.objects.get_or_create(version=version, model_version=model_version)
    if is_new:
        # Molecules that another library has in common are embedded already.
        run.n_embedded = version.n_molecules - _missing(run).count()
        run.save(update_fields=["n_embedded"])
    return run


def embed_chunk(run: LibraryEmbedding, embed_molecules: EmbedMolecules, *, limit: int) -> int | None:
    """Embed up to `limit` molecules, lightest first. Returns their number, 0 once the run is complete.

    Returns None if another worker holds the run. The order by mass stores the rows of a precursor window
    next to each other on disk, where the search reads them fastest.
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
    """Embed the molecules, given as id and SMILES. Needs the transaction that holds the lock of the run."""
    if run.version.n_molecules - run.n_embedded > vector_index.WORTH_IT_FROM:
        vector_index.drop(run.model_version_id)
    ids, smiles = zip(*chunk, strict=True)
    vectors.store(run.model_version_id, ids, embed_molecules(smiles))
    LibraryEmbedding.objects.filter(pk=run.pk).update(n_embedded=F("n_embedded") + len(chunk))


def _missing(run: LibraryEmbedding) -> QuerySet[LibraryEntry]:
    embedded = MoleculeEmbedding.objects.filter(
        model_version=run.model_version_id, molecule=OuterRef("molecule")
    )
    return LibraryEntry.objects.filter(~Exists(embedded), version=run.version_id).order_by(
        "exact_mass", "molecule_id"
    )


def lock(run: LibraryEmbedding) -> bool:
    """Lock the run until the end of the transaction. False if another transaction holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, run.pk])
        return bool(cursor.fetchone()[0])


def _finish(run: LibraryEmbedding) -> None:
    LibraryEmbedding.objects.filter(pk=run.pk).update(n_embedded=run.version.n_molecules, finished_at=Now())
    with connection.cursor() as cursor:
        # Without fresh statistics the planner may choose to read the whole table for a search.
        cursor.execute("ANALYZE annotation_moleculeembedding")
