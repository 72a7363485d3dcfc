"""Which embedding work comes next: what waiting jobs will search first, then whole libraries.

A job may start as soon as the molecules in its own mass windows are embedded.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef

from annotation.jobs.models import Job
from annotation.libraries import embed
from annotation.libraries.models import LibraryEmbedding, LibraryVersion

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


def embed_windows(job: Job, embed_molecules: embed.EmbedMolecules, *, limit: int) -> int | None:
    """Embed up to `limit` molecules that the job will search, and let it start once none is missing.

    Their number; None if another worker is at this library and model.
    """
    run = LibraryEmbedding.objects.select_related("version").get(
        version=job.library_version_id, model_version=job.model_version_id
    )
    asked = {"job": job.pk, "version": run.version_id, "model": run.model_version_id, "limit": limit}
    with transaction.atomic():
        if not embed.lock(run):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_CHUNK_IN_WINDOWS, asked)
            chunk = cursor.fetchall()
        if chunk:
            embed.store_chunk(run, chunk, embed_molecules)
        with connection.cursor() as cursor:
            cursor.execute(_LET_START, asked)
            if cursor.rowcount:
                job.windows.all().delete()
    return len(chunk)
