"""The state changes of the job ledger: claim, renew, end, release. No other module changes an item.

Callers lock items first and jobs second, both in the order of their ids, so that they cannot deadlock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from annotation.jobs import events
from annotation.jobs.models import Job, JobItem
from annotation.jobs.parameters import from_json
from annotation.libraries.models import LibraryEmbedding
from annotation.spectra.ions import adduct_to_use
from annotation.spectra.models import FeatureMember
from annotation.spectra.records import to_exchange, to_survey
from models_ml.outcomes import AnnotateParams
from models_ml.spectra.feature import Feature as FeatureSpectra

# A large job begins with batches of at most 4 and 16 spectra, so that its first results come at once.
FIRST_BATCHES = (4, 16)
# The turn of open jobs: interactive ones first.
TURN = (F("priority").desc(), F("last_claimed_at").asc(nulls_first=True), F("pk").asc())


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    id: int
    job_id: int
    fence: int
    attempt: int  # from 1
    spectrum_id: int  # the representative
    feature: FeatureSpectra  # without outliers
    member_ids: tuple[int, ...]  # the spectra of `feature.members`, in their order
    adduct_from_ms1: bool = False  # an accepted proposal; the members have it as their adduct


@dataclass(frozen=True, slots=True)
class Batch:
    """Items with one run configuration, possibly of several jobs, which a worker holds under a lease."""

    items: tuple[ClaimedItem, ...]
    model_version_id: int
    library_version_id: int
    params: AnnotateParams
    worker: str
    reference_version_id: int | None = None

    @property
    def features(self) -> list[FeatureSpectra]:
        return [item.feature for item in self.items]

    @property
    def n_spectra(self) -> int:
        """What the work and the memory grow with."""
        return sum(len(item.member_ids) for item in self.items)

    def split(self, limit: int) -> list[Batch]:
        """Parts of at most `limit` spectra, in order. A feature with more is a part alone."""
        parts: list[list[ClaimedItem]] = []
        room = 0
        for item in self.items:
            if len(item.member_ids) > room or not parts:
                parts.append([])
                room = limit
            parts[-1].append(item)
            room -= len(item.member_ids)
        return [self.only(part) for part in parts]

    def only(self, items: Iterable[ClaimedItem]) -> Batch:
        """The batch reduced to these items."""
        return replace(self, items=tuple(items))


def claim(
    *, limit: int, worker: str, lease_s: float | None = None, without_models: Collection[int] = ()
) -> Batch | None:
    """Claim pending items with up to `limit` spectra, which then run under a lease. None if there are none.

    A feature with more members than `limit` is claimed alone.

    Interactive jobs come before batch jobs. Within a priority, open jobs are served in rotation: the job with
    the oldest claim gives the next batch, and a new job comes first, so that three features never wait for
    fifty thousand. Other jobs with the same run configuration fill the rest of the batch. The first batches
    of a job with more items than FIRST_BATCHES are small and not filled. An isolated item is claimed alone.
    Jobs of the model versions in `without_models`, which the worker cannot load, are skipped.
    """
    with transaction.atomic():
        rows = _lock_pending(limit, without_models)
        if not rows:
            return None
        JobItem.objects.filter(pk__in=[row.pk for row in rows]).update(
            state=JobItem.State.RUNNING,
            attempts=F("attempts") + 1,
            fence=F("fence") + 1,
            lease_expires_at=_lease_end(lease_s),
            worker=worker[:120],
            started_at=Now(),
            finished_at=None,
        )
        jobs = _lock_jobs({row.job_id for row in rows})
        jobs.update(
            started_at=Coalesce(F("started_at"), Now()),
            last_claimed_at=Now(),
            updated_at=Now(),
            n_batches=F("n_batches") + 1,
        )
        first = jobs.get(pk=rows[0].job_id)
    params = from_json(first.params)
    return Batch(
        items=_claimed(rows, params),
        model_version_id=first.model_version_id,
        library_version_id=first.library_version_id,
        params=params,
        worker=worker,
        reference_version_id=first.reference_version_id,
    )


def _claimed(rows: Sequence[JobItem], params: AnnotateParams) -> tuple[ClaimedItem, ...]:
    """The items with their spectra. `rows` are as they were before the claim. One query."""
    used = FeatureMember.objects.filter(feature__in=[row.feature_id for row in rows], is_outlier=False)
    members: dict[int, list[FeatureMember]] = defaultdict(list)
    for member in used.select_related("feature", "spectrum").order_by("spectrum__source_index"):
        members[member.feature_id].append(member)
    return tuple(_claimed_item(row, members[row.feature_id], params) for row in rows)


def _claimed_item(row: JobItem, members: Sequence[FeatureMember], params: AnnotateParams) -> ClaimedItem:
    feature, ids = members[0].feature, [member.spectrum_id for member in members]
    spectra = [to_exchange(member.spectrum) for member in members]
    adduct = adduct_to_use(feature.adduct, feature.proposed_adduct, params)
    if is_proposed := adduct != feature.adduct:
        spectra = [replace(spectrum, adduct=adduct) for spectrum in spectra]
    representative = ids.index(row.spectrum_id)
    spectra[representative] = replace(spectra[representative], survey=to_survey(feature))
    return ClaimedItem(
        id=row.pk,
        job_id=row.job_id,
        fence=row.fence + 1,
        attempt=row.attempts + 1,
        spectrum_id=row.spectrum_id,
        feature=FeatureSpectra(tuple(spectra), representative=representative),
        member_ids=tuple(ids),
        adduct_from_ms1=is_proposed,
    )


def _lock_pending(limit: int, without_models: Collection[int]) -> list[JobItem]:
    """Lock pending items with the same run configuration and at most `limit` spectra, or one larger feature.

    Items that another caller locked are skipped.
    """
    rows: list[JobItem] = []
    room = limit  # in spectra
    configuration: tuple[int, int, int | None, str] | None = None
    jobs = claimable().exclude(model_version__in=without_models).order_by(*TURN).only(*_CLAIM_COLUMNS)
    for job in jobs:
        of_job = (
            job.model_version_id, job.library_version_id, job.reference_version_id, job.params_sha256
        )  # fmt: skip
        if configuration not in (None, of_job):
            continue
        pending = (
            JobItem.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(job=job, state=JobItem.State.PENDING)
            .select_related("feature")
        )
        in_order = pending.filter(isolated=False).order_by("position")
        first = room if rows else _first_room(job, room)
        waiting = list(in_order[: first + 1 if first < room else room])
        if len(waiting) > first:  # the job is larger than its first batch
            room = first
        totals = accumulate(item.feature.n_used for item in waiting)
        taken = [
            item
            for item, n_so_far in zip(waiting, totals, strict=True)
            if n_so_far <= room or (item is waiting[0] and not rows)
        ]
        if not rows and not taken:
            taken = list(pending.filter(isolated=True).order_by("position")[:1])
            if taken:
                return taken
        if taken:
            rows, configuration = [*rows, *taken], of_job
            room -= sum(item.feature.n_used for item in taken)
        if room <= 0 or len(taken) < len(waiting):
            break
    return rows


def _first_room(job: Job, room: int) -> int:
    """The size of the next batch of a large job, in spectra."""
    return min(room, FIRST_BATCHES[job.n_batches]) if job.n_batches < len(FIRST_BATCHES) else room


_CLAIM_COLUMNS = (
    "pk", "model_version_id", "library_version_id", "reference_version_id", "params_sha256", "n_batches"
)  # fmt: skip


def claimable() -> QuerySet[Job]:
    """Jobs with pending items whose search can run, in no order. `TURN` is the order of their claims."""
    pending = JobItem.objects.filter(job=OuterRef("pk"), state=JobItem.State.PENDING)
    embedded = LibraryEmbedding.objects.filter(
        version=OuterRef("library_version"),
        model_version=OuterRef("model_version"),
        finished_at__isnull=False,
    )
    searchable = Q(windows_embedded_at__isnull=False) | Q(Exists(embedded))
    return Job.objects.filter(Exists(pending), searchable, finished_at=None, cancel_requested_at=None)


def renew(batch: Batch, lease_s: float | None = None) -> int:
    """Extend the lease of the items that are still held, and return their number."""
    return JobItem.objects.held(batch.items).update(lease_expires_at=_lease_end(lease_s))


def fail(item: ClaimedItem, *, code: str, reason: str) -> bool:
    """End the item as failed, with the reason. False if another worker holds it by now."""
    with transaction.atomic():
        changed = JobItem.objects.held([item]).end(
            JobItem.State.FAILED, error_code=code[:40], error=_text(reason)
        )
        if changed:
            events.features_failed([item.id])
        close_finished([item.job_id])
    return changed == 1


def retry(item: ClaimedItem, *, code: str, reason: str, alone: bool = False) -> bool:
    """Make the item pending again after an error that may be temporary. Fail it at the last attempt.

    The error is stored. With `alone` the next claim takes the item alone.
    """
    if item.attempt >= settings.GLMR_MAX_ATTEMPTS:
        return fail(item, code=code, reason=f"{reason} (attempt {item.attempt}, the last)")
    with transaction.atomic():
        changed = JobItem.objects.held([item]).back_to_pending(
            error_code=code[:40], error=_text(reason), **({"isolated": True} if alone else {})
        )
        touch([item.job_id])
    return changed == 1


def release(items: Sequence[ClaimedItem]) -> int:
    """Make items pending again when a worker stops before it processed them. The attempt does not count."""
    with transaction.atomic():
        changed = JobItem.objects.held(items).back_to_pending(attempts=F("attempts") - 1)
        touch({item.job_id for item in items})
    return changed


def cancelled(batch: Batch) -> frozenset[int]:
    """Ids of the items of the batch whose job is being cancelled. One query."""
    jobs = {item.job_id for item in batch.items}
    cancelling = set(
        Job.objects.filter(pk__in=jobs, cancel_requested_at__isnull=False).values_list("pk", flat=True)
    )
    return frozenset(item.id for item in batch.items if item.job_id in cancelling)


def end_cancelled(items: Sequence[ClaimedItem]) -> int:
    with transaction.atomic():
        changed = JobItem.objects.held(items).end(JobItem.State.CANCELLED)
        close_finished({item.job_id for item in items})
    return changed


def end_pending(job: Job) -> int:
    """Cancel the items that no worker holds. Needs a transaction that has not locked the job yet."""
    return JobItem.objects.filter(job=job, state=JobItem.State.PENDING).end(JobItem.State.CANCELLED)


def reset_failed(job: Job) -> int:
    """Make failed items pending again with all attempts. Isolated items are still claimed alone."""
    return JobItem.objects.filter(job=job, state=JobItem.State.FAILED).back_to_pending(
        attempts=0, finished_at=None, error_code="", error=""
    )


def reset_cancelled(job: Job) -> int:
    """Make cancelled items pending again with all attempts, in their places."""
    return JobItem.objects.filter(job=job, state=JobItem.State.CANCELLED).back_to_pending(
        attempts=0, finished_at=None, error_code="", error=""
    )


def reopen(job: Job) -> None:
    """Let workers claim items of a finished or cancelled job again. Call it after items became pending."""
    touch([job.pk]).update(finished_at=None, cancel_requested_at=None, cancelled_by=None)


def release_expired() -> int:
    """Release the items of workers that died: pending and isolated, or failed at the last attempt.

    They are isolated because any item of the batch may be the cause of the crash.
    """
    with transaction.atomic():
        expired = JobItem.objects.select_for_update(skip_locked=True).filter(
            state=JobItem.State.RUNNING, lease_expires_at__lt=Now()
        )
        ids = dict(expired.order_by("pk").values_list("pk", "job_id"))
        released = JobItem.objects.filter(pk__in=ids)
        last_attempt = Q(attempts__gte=settings.GLMR_MAX_ATTEMPTS)
        released.filter(last_attempt).end(
            JobItem.State.FAILED,
            error_code="worker_died",
            error=f"The worker died on this spectrum, at attempt {settings.GLMR_MAX_ATTEMPTS} of "
            f"{settings.GLMR_MAX_ATTEMPTS}. Look for the cause in the log of the worker, then retry the job.",
        )
        released.filter(~last_attempt, state=JobItem.State.RUNNING).back_to_pending(
            isolated=True,
            error_code="worker_died",
            error="The worker that held this spectrum is not alive. The spectrum is tried again, alone.",
        )
        if ids:
            events.features_failed(
                list(released.filter(state=JobItem.State.FAILED).values_list("pk", flat=True))
            )
        # A cancel that coincides with a claim or a retry can leave pending items.
        stray = JobItem.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state=JobItem.State.PENDING, job__cancel_requested_at__isnull=False, job__finished_at=None
        )
        stray_ids = dict(stray.order_by("pk").values_list("pk", "job_id"))
        JobItem.objects.filter(pk__in=stray_ids).end(JobItem.State.CANCELLED)
        close_finished({*ids.values(), *stray_ids.values()})
    return len(ids)


def close_finished(job_ids: Iterable[int]) -> None:
    """Set `finished_at` of the jobs without open items. Call it after items end, in their transaction.

    The job rows are locked first. If two workers end the last two items at the same time, the second waits
    here and then sees the change of the first.
    """
    jobs = touch(job_ids)
    open_items = JobItem.objects.filter(
        job=OuterRef("pk"), state__in=[JobItem.State.PENDING, JobItem.State.RUNNING]
    )
    finished = list(jobs.filter(~Exists(open_items), finished_at=None).values_list("pk", flat=True))
    if finished:
        Job.objects.filter(pk__in=finished).update(finished_at=Now())
        events.jobs_finished(finished)


def touch(job_ids: Iterable[int]) -> QuerySet[Job]:
    """Lock the jobs until the end of the transaction and set their time of change."""
    jobs = _lock_jobs(job_ids)
    jobs.update(updated_at=Now())
    return jobs


def _lock_jobs(job_ids: Iterable[int]) -> QuerySet[Job]:
    jobs = Job.objects.filter(pk__in=set(job_ids))
    # NO KEY, because an INSERT of results holds KEY SHARE on the job, for which FOR UPDATE would wait.
    list(jobs.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    return jobs


def _lease_end(lease_s: float | None) -> CombinedExpression:
    # The clock of the database, because the clocks of workers may differ.
    return Now() + timedelta(seconds=lease_s if lease_s is not None else settings.GLMR_LEASE_S)


def _text(reason: str) -> str:
    return reason.replace("\x00", "")[:4000]
