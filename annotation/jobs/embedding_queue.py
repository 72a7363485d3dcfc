"""The order of embedding work: first the molecules that waiting jobs search, then whole libraries.

A job can start as soon as the molecules in its mass windows are embedded.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef

from annotation.jobs.models import Job
from annotation.libraries import embed
from annotation.libraries.models import LibraryEmbedding, LibraryVersion

# The planner has no statistics of the windows and would read the whole library for each of them. OFFSET 0
# makes it find the entries of a window by a B-tree, and the subquery makes it find the vector of an entry
# by a B-tree. Windows are disjoint, so each molecule comes once.
_MISSING_IN_WINDOWS = """
FROM annotation_jobwindow searched CROSS JOIN LATERAL (
    SELECT entry.molecule_id, entry.exact_mass FROM annotation_libraryentry entry
    WHERE entry.version_id = %(version)s AND entry.exact_mass BETWEEN searched.lowest AND searched.highest
    OFFSET 0
) in_window
WHERE searched.job_id = %(job)s AND (
    SELECT embedding.id FROM annotation_moleculeembedding embedding
    WHERE embedding.molecule_id = in_window.molecule_id AND embedding.model_version_id = %(model)s LIMIT 1
) IS NULL
"""
_CHUNK_IN_WINDOWS = f"""
SELECT molecule.id, molecule.smiles FROM annotation_molecule molecule
JOIN (SELECT in_window.molecule_id, in_window.exact_mass {_MISSING_IN_WINDOWS}
      ORDER BY in_window.exact_mass, in_window.molecule_id LIMIT %(limit)s) missing
  ON missing.molecule_id = molecule.id
ORDER BY missing.exact_mass, molecule.id
"""  # noqa: S608, only constants
_RELEASE_JOB = f"""
UPDATE annotation_job SET windows_embedded_at = now()
WHERE id = %(job)s AND windows_embedded_at IS NULL AND NOT EXISTS (SELECT {_MISSING_IN_WINDOWS})
"""  # noqa: S608, only constants


def next_run(*, without_models: Collection[int] = ()) -> LibraryEmbedding | None:
    """The oldest unfinished run that jobs wait for; else one of the default model, else any.

    Skips the models in `without_models`.
    """
    waiting = Job.objects.filter(
        library_version=OuterRef("version"), model_version=OuterRef("model_version"), finished_at=None
    )
    unfinished = LibraryEmbedding.objects.filter(
        finished_at=None, version__state=LibraryVersion.State.READY
    ).exclude(model_version__in=without_models)
    order = (Exists(waiting).desc(), "-model_version__is_default", "requested_at", "pk")
    return unfinished.select_related("version", "model_version").order_by(*order).first()


def next_waiting_job(*, without_models: Collection[int] = ()) -> Job | None:
    """The open job with the fewest windows that are not embedded yet, because it can start soonest.

    Skips jobs of the models in `without_models`.
    """
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


def embed_windows(job: Job, embed_molecules: embed.EmbedMolecules, *, limit: int) -> int | None:
    """Embed up to `limit` molecules that the job searches, and release the job once none is missing.

    Returns the number of molecules, or None if another worker holds the run of this library and model.
    """
    run = LibraryEmbedding.objects.select_related("version").get(
        version=job.library_version_id, model_version=job.model_version_id
    )
    parameters = {"job": job.pk, "version": run.version_id, "model": run.model_version_id, "limit": limit}
    with transaction.atomic():
        if not embed.lock(run):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_CHUNK_IN_WINDOWS, parameters)
            chunk = cursor.fetchall()
        if chunk:
            embed.store_chunk(run, chunk, embed_molecules)
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE_JOB, parameters)
            if cursor.rowcount:
                job.windows.all().delete()
    return len(chunk)
