"""The progress of a job, from the ledger alone: counts of its items, rate, and what it waits for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Count, DateTimeField, DurationField, ExpressionWrapper, Min, Q, Value
from django.db.models.functions import Greatest, Now

from annotation.jobs.models import Job, JobItem, WorkerHeartbeat, WorkerStatus
from annotation.libraries.models import LibraryEmbedding

RATE_WINDOW_S = 60.0


class Waiting(StrEnum):
    """Why an open job does not move."""

    NO_WORKER = "no_worker"  # no worker is alive
    WORKER_PROBLEM = "worker_problem"  # none of the workers that are alive can work
    EMBEDDING = "embedding"  # molecules that the job searches are not embedded yet


class JobOutcome(StrEnum):
    """How a job ended. A spectrum without a match counts as success: the search worked."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"  # some spectra failed or cannot be annotated
    FAILED = "failed"  # all spectra failed or cannot be annotated
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    state: Job.State
    total: int
    pending: int
    running: int
    done: int
    no_match: int
    unusable: int
    failed: int
    cancelled: int
    waiting: Waiting | None  # None: the job waits for nothing, or only for its turn
    waiting_for: str  # `waiting` as a sentence for people; empty for None
    last_heartbeat: datetime | None  # of any worker
    rate_per_s: float | None  # finished spectra per second over the last minute
    eta_s: float | None
    ahead_in_queue: int  # open spectra of jobs that were submitted earlier
    none_of_these: int = 0  # of `done`: the better answer is "none of these". Not counted for lists.

    @property
    def finished(self) -> int:
        return self.done + self.no_match + self.unusable + self.failed + self.cancelled

    @property
    def percent(self) -> float:
        """Rounded down to a tenth, so that 100 means that every spectrum is finished."""
        return int(1000 * self.finished / self.total) / 10 if self.total else 100.0

    @property
    def is_final(self) -> bool:
        return self.state in (Job.State.DONE, Job.State.CANCELLED)

    @property
    def outcome(self) -> JobOutcome:
        if not self.is_final:
            return JobOutcome.OPEN
        if self.state == Job.State.CANCELLED:
            return JobOutcome.CANCELLED
        if self.without_result == 0:
            return JobOutcome.SUCCEEDED
        return JobOutcome.FAILED if self.without_result == self.total else JobOutcome.PARTIAL

    @property
    def without_result(self) -> int:
        return self.unusable + self.failed

    @property
    def stalled(self) -> bool:
        """Spectra are open and no worker is alive."""
        return self.waiting is Waiting.NO_WORKER


def progress(job: Job) -> Progress:
    """The progress of one job. Six queries at most, each over an index."""
    counts = _counts([job])[job.pk]
    workers = WorkerHeartbeat.objects.status()
    # Results are a layer above jobs, so the relation is followed from here without an import.
    n_none = JobItem.objects.filter(Q(("annotation__abstains", True)), job=job).count()
    if job.finished_at is not None:
        return _assemble(job, counts, workers, n_none=n_none)
    earlier = Q(job__priority__gt=job.priority) | Q(job__priority=job.priority, job_id__lt=job.pk)
    n_ahead = JobItem.objects.filter(
        earlier, job__finished_at=None, state__in=[JobItem.State.PENDING, JobItem.State.RUNNING]
    ).count()
    return _assemble(
        job,
        counts,
        workers,
        rate=_rate(job),
        n_ahead=n_ahead,
        embedding=_unfinished_embedding(job),
        n_none=n_none,
    )


def with_progress(jobs: Iterable[Job]) -> list[tuple[Job, Progress]]:
    """For lists: one query for the counts of all jobs and one for the workers.

    Left out are the rate, the number of spectra ahead in the queue, and the wait for embeddings.
    """
    rows = list(jobs)
    counts, workers = _counts(rows), WorkerHeartbeat.objects.status()
    return [(job, _assemble(job, counts[job.pk], workers)) for job in rows]


def _counts(jobs: list[Job]) -> Mapping[int, Mapping[str, int]]:
    """The number of items by job and state."""
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    grouped = (
        JobItem.objects.filter(job__in=jobs).order_by().values("job_id", "state").annotate(n=Count("pk"))
    )
    for row in grouped:
        counts[row["job_id"]][row["state"]] = row["n"]
    return counts


def _assemble(
    job: Job,
    counts: Mapping[str, int],
    workers: WorkerStatus,
    *,
    rate: float | None = None,
    n_ahead: int = 0,
    embedding: str = "",
    n_none: int = 0,
) -> Progress:
    n = {state: counts[state] for state in JobItem.State.values}
    n_open = n["pending"] + n["running"]
    waiting, waiting_for = _waiting(workers, embedding) if n_open else (None, "")
    return Progress(
        state=job.state,
        total=sum(n.values()),
        **n,
        waiting=waiting,
        waiting_for=waiting_for,
        last_heartbeat=workers.last_seen_at,
        rate_per_s=rate,
        eta_s=n_open / rate if rate and n_open else None,
        ahead_in_queue=n_ahead,
        none_of_these=n_none,
    )


def _waiting(workers: WorkerStatus, embedding: str) -> tuple[Waiting | None, str]:
    """The reason that has to be removed first."""
    if not workers.is_alive:
        return Waiting.NO_WORKER, "No worker is running. The job continues as soon as a worker is started."
    if workers.problem:
        return Waiting.WORKER_PROBLEM, workers.problem
    if embedding:
        return Waiting.EMBEDDING, embedding
    return None, ""


def _rate(job: Job) -> float | None:
    """Over the last minute, or since its first finished spectrum; None before two have finished."""
    since = Now() - timedelta(seconds=RATE_WINDOW_S)
    began = Greatest(Min("finished_at"), Value(job.started_at, output_field=DateTimeField()))
    finished = JobItem.objects.filter(job=job, finished_at__gte=since).aggregate(
        n=Count("pk", filter=~Q(state=JobItem.State.CANCELLED)),
        span=ExpressionWrapper(Now() - began, output_field=DurationField()),
    )
    if finished["n"] < 2 or not finished["span"]:
        return None
    return float(finished["n"] / finished["span"].total_seconds())


def _unfinished_embedding(job: Job) -> str:
    """The progress of the embedding that the job waits for, as a sentence; empty if it waits for none."""
    if job.windows_embedded_at is not None:
        return ""
    run = LibraryEmbedding.objects.filter(
        version=job.library_version_id, model_version=job.model_version_id
    ).first()
    if run is not None and run.finished_at is not None:
        return ""
    n_embedded = run.n_embedded if run else 0
    total = job.library_version.n_molecules
    return (
        f"The library is being prepared for this model: {n_embedded:,} of {total:,} molecules are embedded. "
        "The molecules that this job searches come first."
    )
