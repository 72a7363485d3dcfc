"""What people and machines do with jobs: submit, cancel, retry what failed; and the doorbell for workers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import islice

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from annotation.accounts.models import Project
from annotation.checkpoints.models import ModelVersion
from annotation.jobs import ledger, parameters, windows
from annotation.jobs.models import Job, JobItem
from annotation.libraries import embed
from annotation.libraries.models import LibraryVersion
from annotation.references.models import ReferenceVersion
from annotation.spectra.models import Spectrum
from glmr_server import celery
from models_ml.outcomes import AnnotateParams

log = logging.getLogger(__name__)

ITEMS_PER_INSERT = 2000


class CannotSubmit(Exception):
    """The job was not made: what is wrong and how to mend it. `field` names the part of the request."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def submit(
    *,
    project: Project,
    user: User,
    name: str,
    spectra: Iterable[int] | QuerySet[Spectrum],
    library_version: LibraryVersion,
    model_version: ModelVersion,
    params: AnnotateParams,
    external_id: str = "",
    reference_version: ReferenceVersion | None = None,
) -> Job:
    """A new job over the spectra, in their order; workers hear of it after the commit. Or CannotSubmit."""
    _check_library(project, library_version)
    _check_references(project, reference_version)
    ids = _spectrum_ids(project, spectra)
    with transaction.atomic():
        job = Job.objects.create(
            project=project,
            submitted_by=user,
            name=name.strip()[:200] or "Untitled",
            external_id=external_id[:200],
            library_version=library_version,
            model_version=model_version,
            reference_version=reference_version,
            params=parameters.to_json(params),
            params_sha256=parameters.sha256(params),
        )
        items = (JobItem(job=job, spectrum_id=pk, position=n) for n, pk in enumerate(ids))
        while chunk := list(islice(items, ITEMS_PER_INSERT)):
            JobItem.objects.bulk_create(chunk)
        if embed.request_embedding(library_version, model_version).finished_at is None:
            windows.note(job, params)
        transaction.on_commit(ring)
    return job


def _check_library(project: Project, version: LibraryVersion) -> None:
    owner = version.library.project_id
    if owner not in (None, project.pk):
        raise CannotSubmit("library", f"Library {version.library.name} belongs to another project.")
    if version.state != LibraryVersion.State.READY:
        raise CannotSubmit(
            "library",
            f"{version} is not ready: it is {version.get_state_display().lower()}. "
            "Wait for the import to end, or choose another version.",
        )


def _check_references(project: Project, version: ReferenceVersion | None) -> None:
    if version is None:
        return
    if version.collection.project_id not in (None, project.pk):
        raise CannotSubmit("references", f"Collection {version.collection} belongs to another project.")
    if version.state != ReferenceVersion.State.READY:
        raise CannotSubmit("references", f"{version} is not ready. Choose another version.")


def _spectrum_ids(project: Project, spectra: Iterable[int] | QuerySet[Spectrum]) -> list[int]:
    """The ids in order, each once. Two queries at most."""
    if isinstance(spectra, QuerySet):
        spectra = spectra.values_list("pk", flat=True)
    ids = list(dict.fromkeys(spectra))
    if not ids:
        raise CannotSubmit(
            "spectra", "The job has no spectra: choose a file with at least one usable spectrum."
        )
    known = set(Spectrum.objects.filter(project=project, pk__in=ids).values_list("pk", flat=True))
    if strange := [pk for pk in ids if pk not in known]:
        raise CannotSubmit(
            "spectra", f"{len(strange)} of {len(ids)} spectra are not in project {project}: {strange[:5]}"
        )
    return ids


def cancel(job: Job, user: User) -> None:
    """End what is pending now; a worker ends what it holds at its next mini-batch. Nothing if finished."""
    with transaction.atomic():
        ledger.end_pending(job)
        changed = ledger.touch([job.pk]).filter(finished_at=None, cancel_requested_at=None)
        changed.update(cancel_requested_at=Now(), cancelled_by=user)
        ledger.close_finished([job.pk])
    job.refresh_from_db()


def retry_failed(job: Job, user: User) -> int:
    """Failed spectra become pending again, in a finished job too; their number. Cancelled ones stay so."""
    with transaction.atomic():
        n_reset = ledger.reset_failed(job)
        if n_reset:
            ledger.touch([job.pk]).update(finished_at=None, cancel_requested_at=None, cancelled_by=None)
            transaction.on_commit(ring)
    log.info("%s set %d failed spectra of job %s back to pending", user, n_reset, job.public_id)
    job.refresh_from_db()
    return n_reset


def ring() -> None:
    """Tell the workers that there is work. Without a broker nothing is lost: the beat rings again."""
    celery.ring()
