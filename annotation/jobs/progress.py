"""How a job stands, told by the ledger alone: counts of its items, pace, and whether any worker is alive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from django.utils import timezone

from annotation.jobs.models import Job, JobItem, WorkerHeartbeat, longest_silence
from annotation.libraries.models import LibraryEmbedding

RATE_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    state: Job.State
    total: int
    pending: int
    running: int
    done: int
    failed: int
    cancelled: int
    # Work is open and no worker has given a sign of life for two heartbeats.
    stalled: bool
    waiting_for: str  # a sentence for people; empty while nothing is waited for
    last_heartbeat: datetime | None  # of any worker
    rate_per_s: float | None  # spectra finished per second over the last minute
    eta_s: float | None
    ahead_in_queue: int  # spectra still open in jobs submitted earlier

    @property
    def finished(self) -> int:
        return self.done + self.failed + self.cancelled

    @property
    def percent(self) -> float:
        """Rounded down to a tenth, so that 100 means all of it."""
        return int(1000 * self.finished / self.total) / 10 if self.total else 100.0

    @property
    def is_final(self) -> bool:
        return self.state in (Job.State.DONE, Job.State.CANCELLED)


def progress(job: Job) -> Progress:
    """Everything about one job. Five queries at most, each over an index."""
    counts = _counts([job])[job.pk]
    rate = ahead = None
    waiting_for = ""
    heartbeat, problem = _workers()
    if job.finished_at is None:
        rate = _rate(job)
        ahead = JobItem.objects.filter(
            job__finished_at=None, job_id__lt=job.pk, state__in=[JobItem.State.PENDING, JobItem.State.RUNNING]
        ).count()
        waiting_for = problem or _embedding_in_the_way(job)
    return _assemble(job, counts, heartbeat, rate=rate, ahead=ahead or 0, waiting_for=waiting_for)


def with_progress(jobs: Iterable[Job]) -> list[tuple[Job, Progress]]:
    """For lists: one query for all counts and one for the heartbeat; pace and queue place are left out."""
    rows = list(jobs)
    counts, (heartbeat, _) = _counts(rows), _workers()
    return [(job, _assemble(job, counts[job.pk], heartbeat)) for job in rows]


def _counts(jobs: list[Job]) -> Mapping[int, Mapping[str, int]]:
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    grouped = (
        JobItem.objects.filter(job__in=jobs).order_by().values("job_id", "state").annotate(n=Count("pk"))
    )
    for row in grouped:
        counts[row["job_id"]][row["state"]] = row["n"]
    return counts


def _workers() -> tuple[datetime | None, str]:
    """The latest heartbeat of any worker, and the problem that keeps all living ones from working."""
    seen = list(WorkerHeartbeat.objects.filter(stopped_at=None).order_by("-last_seen_at")[:20])
    problems = [worker.problem for worker in seen if worker.is_alive]
    return (seen[0].last_seen_at if seen else None), (problems[0] if problems and all(problems) else "")


def _assemble(
    job: Job,
    counts: Mapping[str, int],
    heartbeat: datetime | None,
    *,
    rate: float | None = None,
    ahead: int = 0,
    waiting_for: str = "",
) -> Progress:
    n = {state: counts[state] for state in JobItem.State.values}
    n_open = n["pending"] + n["running"]
    stalled = n_open > 0 and (heartbeat is None or timezone.now() - heartbeat > longest_silence())
    if stalled:
        waiting_for = "No worker is running. The job goes on by itself when one is started."
    return Progress(
        state=job.state,
        total=sum(n.values()),
        **n,
        stalled=stalled,
        waiting_for=waiting_for,
        last_heartbeat=heartbeat,
        rate_per_s=rate,
        eta_s=n_open / rate if rate and n_open else None,
        ahead_in_queue=ahead,
    )


def _rate(job: Job) -> float | None:
    """Over the last minute, or since the first spectrum that ended in it; None before two have ended."""
    since = Now() - timedelta(seconds=RATE_WINDOW_S)
    ended = JobItem.objects.filter(job=job, finished_at__gte=since).aggregate(
        n=Count("pk", filter=~Q(state=JobItem.State.CANCELLED)), first=Min("finished_at")
    )
    if not ended["first"] or ended["n"] < 2:
        return None
    began = max(ended["first"], job.started_at or ended["first"])
    span = (timezone.now() - began).total_seconds()
    return float(ended["n"] / span) if span > 0 else None


def _embedding_in_the_way(job: Job) -> str:
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
        "Those that this job will look at come first."
    )
