"""Which molecules still lack a vector for which model. Workers take the work in chunks and store it here.

One worker at a time embeds a library version for a model version: its lock ends with its transaction,
so a worker that dies leaves nothing behind but what it had stored.

What waiting jobs will search comes first, and such a job may start before the rest is embedded. Embeddings
are only ever added, so what is complete once stays complete.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from annotation.jobs.models import Job
from annotation.libraries import vector_index, vectors
from annotation.libraries.models import LibraryEmbedding, LibraryEntry, LibraryVersion, MoleculeEmbedding
from annotation.results.models import ModelVersion
from models_ml.outcomes import Embedding

# First half of the advisory lock's key, any fixed number; the second half is the run's id.
_LOCK_CLASS = 0x474C4D52

EmbedMolecules = Callable[[Sequence[str]], Embedding]

# Left to itself the planner, which knows nothing of the windows, reads the whole library for each of them.
# OFFSET 0 makes it go from a window to its entries by their B-tree, and the subquery from an entry to its
# vector by theirs. Windows are disjoint, so no molecule comes twice.
_MISSING_IN_WINDOWS = """
FROM annotation_jobwindow searched CROSS JOIN LATERAL (
    SELECT entry.molecule_id, entry.exact_mass FROM annotation_libraryentry entry
    WHERE entry.version_id = %(version)s AND entry.exact_mass BETWEEN searched.lowest AND searched.highest
    OFFSET 0
) inside
WHERE searched.job_id = %(job)s AND (
    SELECT embedding.id FROM annotation_moleculeembedding embedding
    WHERE embedding.molecule_id = inside.molecule_id AND embedding.model_version_id = %(model)s LIMIT 1
) IS NULL
"""
_CHUNK_IN_WINDOWS = f"""
SELECT molecule.id, molecule.smiles FROM annotation_molecule molecule
JOIN (SELECT inside.molecule_id, inside.exact_mass {_MISSING_IN_WINDOWS}
      ORDER BY inside.exact_mass, inside.molecule_id LIMIT %(limit)s) missing
  ON missing.molecule_id = molecule.id
ORDER BY missing.exact_mass, molecule.id
"""  # noqa: S608, constants alone
_LET_START = f"""
UPDATE annotation_job SET windows_embedded_at = now()
WHERE id = %(job)s AND windows_embedded_at IS NULL AND NOT EXISTS (SELECT {_MISSING_IN_WINDOWS})
"""  # noqa: S608, constants alone


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


def next_run(*, without_models: Collection[int] = ()) -> LibraryEmbedding | None:
    """The oldest unfinished run that jobs wait for; failing that, the default model's, then any."""
    waiting = Job.objects.filter(
        library_version=OuterRef("version"), model_version=OuterRef("model_version"), finished_at=None
    )
    unfinished = LibraryEmbedding.objects.filter(
        finished_at=None, version__state=LibraryVersion.State.READY
    ).exclude(model_version__in=without_models)
    wanted_most = (Exists(waiting).desc(), "-model_version__is_default", "requested_at", "pk")
    return unfinished.select_related("version", "model_version").order_by(*wanted_most).first()


def embed_chunk(run: LibraryEmbedding, embed_molecules: EmbedMolecules, *, limit: int) -> int | None:
    """Embed up to `limit` molecules, lightest first; their number, or 0 when this finds the run complete.

    None if another worker is at this run. The order of mass puts the rows of a precursor window side by
    side on disk, where the search finds them fastest.
    """
    with transaction.atomic():
        if not _lock(run):
            return None
        chunk = list(_missing(run).values_list("molecule_id", "molecule__smiles")[:limit])
        if not chunk:
            _finish(run)
            return 0
        _embed(run, chunk, embed_molecules)
    return len(chunk)


def next_waiting_job(*, without_models: Collection[int] = ()) -> Job | None:
    """Of the open jobs whose windows are not embedded yet, the one with the fewest: it can start soonest."""
    waiting = Job.objects.filter(
        finished_at=None,
        cancel_requested_at=None,
        windows_embedded_at=None,
        library_version__state=LibraryVersion.State.READY,
    ).exclude(model_version__in=without_models)
    waiting = waiting.select_related("model_version", "library_version__library")
    return (
        waiting.annotate(n_windows=Count("windows"))
        .filter(n_windows__gt=0)
        .order_by("n_windows", "pk")
        .first()
    )


def embed_windows(job: Job, embed_molecules: EmbedMolecules, *, limit: int) -> int | None:
    """Embed up to `limit` molecules that the job will search, and let it start once none is missing.

    Their number; None if another worker is at this library and model.
    """
    run = LibraryEmbedding.objects.select_related("version").get(
        version=job.library_version_id, model_version=job.model_version_id
    )
    asked = {"job": job.pk, "version": run.version_id, "model": run.model_version_id, "limit": limit}
    with transaction.atomic():
        if not _lock(run):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_CHUNK_IN_WINDOWS, asked)
            chunk = cursor.fetchall()
        if chunk:
            _embed(run, chunk, embed_molecules)
        with connection.cursor() as cursor:
            cursor.execute(_LET_START, asked)
            if cursor.rowcount:
                job.windows.all().delete()
    return len(chunk)


def _embed(run: LibraryEmbedding, chunk: Sequence[tuple[int, str]], embed_molecules: EmbedMolecules) -> None:
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


def _lock(run: LibraryEmbedding) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, run.pk])
        return bool(cursor.fetchone()[0])


def _finish(run: LibraryEmbedding) -> None:
    LibraryEmbedding.objects.filter(pk=run.pk).update(n_embedded=run.version.n_molecules, finished_at=Now())
    with connection.cursor() as cursor:
        # The search is planned from statistics; without fresh ones it may read the whole table.
        cursor.execute("ANALYZE annotation_moleculeembedding")
