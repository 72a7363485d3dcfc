"""The job ledger's transitions: claim, renew, end, release. Workers come here; nothing else changes an item.

Locks are taken items first, jobs second and in order of id, so that no two callers wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from annotation.jobs.models import Job, JobItem
from annotation.jobs.parameters import from_json
from annotation.libraries.models import LibraryEmbedding
from annotation.spectra.models import Spectrum
from annotation.spectra.records import to_exchange
from models_ml.outcomes import AnnotateParams
from models_ml.spectra import spectrum as exchange


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    id: int
    job_id: int
    fence: int
    attempt: int  # 1 is the first
    spectrum_id: int
    spectrum: exchange.Spectrum


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one run configuration, possibly of several jobs, held by one worker for a time."""

    items: tuple[ClaimedItem, ...]
    model_version_id: int
    library_version_id: int
    params: AnnotateParams
    worker: str
    reference_version_id: int | None = None

    @property
    def spectra(self) -> list[exchange.Spectrum]:
        return [item.spectrum for item in self.items]

    def only(self, items: Iterable[ClaimedItem]) -> Batch:
        return replace(self, items=tuple(items))


def claim(
    *, limit: int, worker: str, lease_s: float | None = None, without_models: Collection[int] = ()
) -> Batch | None:
    """Up to `limit` pending items, now running under a lease; None if there is nothing to do.

    Turns go round the open jobs: the one served longest ago gives the next batch, a new one comes first,
    so that three spectra never wait for fifty thousand. What the batch still holds room for is filled
    from other jobs with the same run configuration. An isolated item is claimed alone. Jobs of the model
    versions in `without_models` are passed over: the worker cannot load them.
    """
    with transaction.atomic():
        rows = _lock_pending(limit, without_models)
        if not rows:
            return None
        ids = [row.pk for row in rows]
        JobItem.objects.filter(pk__in=ids).update(
            state=JobItem.State.RUNNING,
            attempts=F("attempts") + 1,
            fence=F("fence") + 1,
            lease_expires_at=_lease_end(lease_s),
            worker=worker[:120],
            started_at=Now(),
            finished_at=None,
        )
        jobs = _lock_jobs({row.job_id for row in rows})
        jobs.update(started_at=Coalesce(F("started_at"), Now()), last_claimed_at=Now(), updated_at=Now())
        first = jobs.get(pk=rows[0].job_id)
    spectra = Spectrum.objects.in_bulk([row.spectrum_id for row in rows])
    items = tuple(
        ClaimedItem(
            id=row.pk,
            job_id=row.job_id,
            fence=row.fence + 1,
            attempt=row.attempts + 1,
            spectrum_id=row.spectrum_id,
            spectrum=to_exchange(spectra[row.spectrum_id]),
        )
        for row in rows
    )
    return Batch(
        items=items,
        model_version_id=first.model_version_id,
        library_version_id=first.library_version_id,
        params=from_json(first.params),
        worker=worker,
        reference_version_id=first.reference_version_id,
    )


def _lock_pending(limit: int, without_models: Collection[int]) -> list[JobItem]:
    """Pending items of one run configuration, locked; others' locked items are passed over."""
    rows: list[JobItem] = []
    configuration: tuple[int, int, int | None, str] | None = None
    for job in _claimable_jobs(without_models):
        this = (
            job.model_version_id, job.library_version_id, job.reference_version_id, job.params_sha256
        )  # fmt: skip
        if configuration not in (None, this):
            continue
        pending = JobItem.objects.select_for_update(skip_locked=True).filter(
            job=job, state=JobItem.State.PENDING
        )
        taken = list(pending.filter(isolated=False).order_by("position")[: limit - len(rows)])
        if not rows and not taken:
            taken = list(pending.filter(isolated=True).order_by("position")[:1])
            if taken:
                return taken
        if taken:
            rows, configuration = rows + taken, this
        if len(rows) == limit:
            break
    return rows


def _claimable_jobs(without_models: Collection[int] = ()) -> list[Job]:
    pending = JobItem.objects.filter(job=OuterRef("pk"), state=JobItem.State.PENDING)
    embedded = LibraryEmbedding.objects.filter(
        version=OuterRef("library_version"),
        model_version=OuterRef("model_version"),
        finished_at__isnull=False,
    )
    searchable = Q(windows_embedded_at__isnull=False) | Q(Exists(embedded))
    return list(
        Job.objects.filter(Exists(pending), searchable, finished_at=None, cancel_requested_at=None)
        .exclude(model_version__in=without_models)
        .order_by(F("last_claimed_at").asc(nulls_first=True), "pk")
        .only("pk", "model_version_id", "library_version_id", "reference_version_id", "params_sha256")
    )


def renew(batch: Batch, lease_s: float | None = None) -> int:
    """Extend the lease of what is still held; the number of items that are."""
    return JobItem.objects.held(batch.items).update(lease_expires_at=_lease_end(lease_s))


def fail(item: ClaimedItem, *, code: str, reason: str) -> bool:
    """End the item for good, with the reason. False if another worker has it by now."""
    with transaction.atomic():
        changed = JobItem.objects.held([item]).end(
            JobItem.State.FAILED, error_code=code[:40], error=_text(reason)
        )
        close_finished([item.job_id])
    return changed == 1


def retry(item: ClaimedItem, *, code: str, reason: str, alone: bool = False) -> bool:
    """Back to pending with the error kept, for a fault that may pass; failed at the last attempt."""
    if item.attempt >= settings.GLMR_MAX_ATTEMPTS:
        return fail(item, code=code, reason=f"{reason} (attempt {item.attempt}, the last)")
    with transaction.atomic():
        changed = JobItem.objects.held([item]).back_to_pending(
            error_code=code[:40], error=_text(reason), **({"isolated": True} if alone else {})
        )
        touch([item.job_id])
    return changed == 1


def release(items: Sequence[ClaimedItem]) -> int:
    """Give items back untried, when a worker stops: the attempt does not count."""
    with transaction.atomic():
        changed = JobItem.objects.held(items).back_to_pending(attempts=F("attempts") - 1)
        touch({item.job_id for item in items})
    return changed


def cancelled(batch: Batch) -> frozenset[int]:
    """Ids of the batch's items that nobody wants any more. One query."""
    jobs = {item.job_id for item in batch.items}
    stopped = set(
        Job.objects.filter(pk__in=jobs, cancel_requested_at__isnull=False).values_list("pk", flat=True)
    )
    return frozenset(item.id for item in batch.items if item.job_id in stopped)


def end_cancelled(items: Sequence[ClaimedItem]) -> int:
    with transaction.atomic():
        changed = JobItem.objects.held(items).end(JobItem.State.CANCELLED)
        close_finished({item.job_id for item in items})
    return changed


def end_pending(job: Job) -> int:
    """Cancel what no worker holds. Inside the caller's transaction, before it locks the job."""
    return JobItem.objects.filter(job=job, state=JobItem.State.PENDING).end(JobItem.State.CANCELLED)


def reset_failed(job: Job) -> int:
    """Failed items pending again with all attempts; one that killed its worker is still claimed alone."""
    return JobItem.objects.filter(job=job, state=JobItem.State.FAILED).back_to_pending(
        attempts=0, finished_at=None, error_code="", error=""
    )


def release_expired() -> int:
    """Take items back from workers that are gone: pending and isolated, or failed at the last attempt.

    Isolated, because any item of the lost batch may be what killed the worker.
    """
    with transaction.atomic():
        expired = JobItem.objects.select_for_update(skip_locked=True).filter(
            state=JobItem.State.RUNNING, lease_expires_at__lt=Now()
        )
        ids = dict(expired.order_by("pk").values_list("pk", "job_id"))
        lost = JobItem.objects.filter(pk__in=ids)
        spent = Q(attempts__gte=settings.GLMR_MAX_ATTEMPTS)
        lost.filter(spent).end(
            JobItem.State.FAILED,
            error_code="worker_died",
            error=f"The worker died while on this spectrum, at attempt {settings.GLMR_MAX_ATTEMPTS} of "
            f"{settings.GLMR_MAX_ATTEMPTS}. Look for the cause in the worker's log, then retry the job.",
        )
        lost.filter(~spent, state=JobItem.State.RUNNING).back_to_pending(
            isolated=True,
            error_code="worker_died",
            error="The worker that held this spectrum went silent; the spectrum is tried again alone.",
        )
        # A cancel that crossed with a claim or a retry leaves pending items behind.
        stray = JobItem.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state=JobItem.State.PENDING, job__cancel_requested_at__isnull=False, job__finished_at=None
        )
        stray_ids = dict(stray.order_by("pk").values_list("pk", "job_id"))
        JobItem.objects.filter(pk__in=stray_ids).end(JobItem.State.CANCELLED)
        close_finished({*ids.values(), *stray_ids.values()})
    return len(ids)


def close_finished(job_ids: Iterable[int]) -> None:
    """Set `finished_at` of those jobs that have no open item left; call it where items have just ended.

    The job rows are locked first: of two workers that end the last two items at once, the second one
    waits here and then sees the first one's work.
    """
    jobs = touch(job_ids)
    open_items = JobItem.objects.filter(
        job=OuterRef("pk"), state__in=[JobItem.State.PENDING, JobItem.State.RUNNING]
    )
    jobs.filter(~Exists(open_items), finished_at=None).update(finished_at=Now())


def touch(job_ids: Iterable[int]) -> QuerySet[Job]:
    """Lock the jobs until the end of the transaction and note that something about them has changed."""
    jobs = _lock_jobs(job_ids)
    jobs.update(updated_at=Now())
    return jobs


def _lock_jobs(job_ids: Iterable[int]) -> QuerySet[Job]:
    jobs = Job.objects.filter(pk__in=set(job_ids))
    # NO KEY: inserting results holds KEY SHARE on the job, which a plain FOR UPDATE would wait for.
    list(jobs.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    return jobs


def _lease_end(lease_s: float | None) -> CombinedExpression:
    # The database's clock, so that workers' clocks need not agree.
    return Now() + timedelta(seconds=lease_s if lease_s is not None else settings.GLMR_LEASE_S)


def _text(reason: str) -> str:
    return reason.replace("\x00", "")[:4000]
