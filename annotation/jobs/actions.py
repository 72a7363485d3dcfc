"""What callers do with jobs: submit, cancel, resume, retry failed features, and tell the workers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import islice

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from annotation.accounts.models import Project
from annotation.checkpoints.models import ModelVersion
from annotation.integration.locks import lock_until_commit
from annotation.jobs import ledger, notices, parameters, selection, windows
from annotation.jobs.models import Job, JobItem
from annotation.libraries import embed
from annotation.libraries.models import LibraryVersion
from annotation.references.models import ReferenceVersion
from annotation.spectra.models import Feature
from glmr_server import celery
from models_ml.outcomes import AnnotateParams

log = logging.getLogger(__name__)

ITEMS_PER_INSERT = 2000
MAX_INTERACTIVE_FEATURES = 500


class CannotSubmit(Exception):
    """The job was not created. `field` names the part of the request, `reason` says how to fix it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class ExternalIdTaken(CannotSubmit):
    """Another job of the project has the external_id, and one of the two has to be the only one."""

    def __init__(self, job: Job) -> None:
        super().__init__(
            "external_id",
            f"The job {job.public_id} of this project has the external_id {job.external_id!r} already. Use "
            "that job, or another external_id.",
        )
        self.job = job


def submit(
    *,
    project: Project,
    user: User,
    name: str,
    features: Iterable[int] | QuerySet[Feature],
    library_version: LibraryVersion,
    model_version: ModelVersion,
    params: AnnotateParams,
    external_id: str = "",
    reference_version: ReferenceVersion | None = None,
    priority: Job.Priority = Job.Priority.BATCH,
    repeats: Job | None = None,
    unique_external_id: bool = False,
) -> Job:
    """Create a job for the features (ids or rows), in their order, and tell the workers after the commit.

    Raises CannotSubmit.
    """
    try:
        selection.check_library_version(project, library_version)
        if reference_version is not None:
            selection.check_reference_version(project, reference_version)
    except selection.NotSelectable as refusal:
        raise CannotSubmit(refusal.field, refusal.reason) from None
    representatives = _representatives(project, features)
    if priority == Job.Priority.INTERACTIVE and len(representatives) > MAX_INTERACTIVE_FEATURES:
        raise CannotSubmit(
            "priority",
            f"The job has {len(representatives):,} features, and interactive jobs may have "
            f"{MAX_INTERACTIVE_FEATURES:,}, because all other jobs wait for them. Choose the priority batch.",
        )
    external_id = external_id[:200]
    if unique_external_id and not external_id:
        raise CannotSubmit(
            "external_id", "An external_id that has to be unique must not be empty. State one."
        )
    with transaction.atomic():
        if external_id:
            _claim_external_id(project, external_id, unique_external_id)
        job = Job.objects.create(
            project=project,
            submitted_by=user,
            name=name.strip()[:200] or "Untitled",
            external_id=external_id,
            external_id_is_unique=unique_external_id,
            library_version=library_version,
            model_version=model_version,
            reference_version=reference_version,
            params=parameters.to_json(params),
            params_sha256=parameters.sha256(params),
            priority=priority,
            repeats=repeats,
        )
        _create_items(job, representatives)
        notices.follow_habit(job, user)
        if embed.request_embedding(library_version, model_version).finished_at is None:
            windows.store_windows(job, params)
        transaction.on_commit(ring)
    return job


def _claim_external_id(project: Project, external_id: str, unique: bool) -> None:
    """Raises ExternalIdTaken. Others with this external_id wait until the transaction ends."""
    lock_until_commit(f"external-id/{project.pk}/{external_id}")
    others = Job.objects.in_projects(project).filter(external_id=external_id)
    taken = (others if unique else others.filter(external_id_is_unique=True)).order_by("pk").first()
    if taken is not None:
        raise ExternalIdTaken(taken)


def _representatives(project: Project, features: Iterable[int] | QuerySet[Feature]) -> dict[int, int]:
    """The spectrum that stands for each feature, by feature id. In order, no repeats; two queries at most."""
    if isinstance(features, QuerySet):
        features = features.values_list("pk", flat=True)
    ids = list(dict.fromkeys(features))
    if not ids:
        raise CannotSubmit(
            "spectra", "The job has no spectra. Choose a file with at least one usable spectrum."
        )
    in_project = Feature.objects.in_projects(project).filter(pk__in=ids)
    known = dict(in_project.values_list("pk", "representative_id"))
    if unknown := [pk for pk in ids if pk not in known]:
        raise CannotSubmit(
            "spectra",
            f"{len(unknown)} of {len(ids)} features do not belong to project {project}: {unknown[:5]}. "
            "Choose features of the project.",
        )
    return {pk: known[pk] for pk in ids}


def _create_items(job: Job, representatives: Mapping[int, int]) -> None:
    """In chunks, because `bulk_create` holds all objects of a call in memory."""
    items = (
        JobItem(job=job, feature_id=feature, spectrum_id=spectrum, position=position)
        for position, (feature, spectrum) in enumerate(representatives.items())
    )
    while chunk := list(islice(items, ITEMS_PER_INSERT)):
        JobItem.objects.bulk_create(chunk)


def cancel(job: Job, user: User) -> None:
    """End pending items now. What a worker is computing is kept; items that it has not begun end.

    Does nothing if the job is finished.
    """
    with transaction.atomic():
        ledger.end_pending(job)
        changed = ledger.touch([job.pk]).filter(finished_at=None, cancel_requested_at=None)
        changed.update(cancel_requested_at=Now(), cancelled_by=user)
        ledger.close_finished([job.pk])
    job.refresh_from_db()


def resume(job: Job, user: User) -> int:
    """Make the cancelled items of a job pending again. Returns their number. Results and failures stay."""
    with transaction.atomic():
        n_reset = ledger.reset_cancelled(job)
        if n_reset:
            ledger.reopen(job)
            transaction.on_commit(ring)
    log.info("%s resumed job %s with %d features", user, job.public_id, n_reset)
    job.refresh_from_db()
    return n_reset


def retry_failed(job: Job, user: User) -> int:
    """Make failed items pending again, also in a finished job. Returns their number.

    Cancelled items stay cancelled.
    """
    with transaction.atomic():
        n_reset = ledger.reset_failed(job)
        if n_reset:
            ledger.reopen(job)
            transaction.on_commit(ring)
    log.info("%s set %d failed features of job %s back to pending", user, n_reset, job.public_id)
    job.refresh_from_db()
    return n_reset


def ring() -> None:
    """Tell the workers that there is work. Without a broker no work is lost: the beat repeats the message."""
    celery.ring()
