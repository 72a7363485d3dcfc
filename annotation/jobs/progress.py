"""The progress of jobs, from the ledger alone: counts, pace, end, place in the queue, what they wait for.

Pages, lists, REST, commands and mails all show what this module computes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import accumulate

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from annotation.jobs import ledger
from annotation.jobs.models import Job, JobItem, WorkerHeartbeat, WorkerStatus
from annotation.jobs.pace import EndedBatch, Pace, TimeLeft, measure_pace
from annotation.jobs.waiting import STALLS, Waiting, find_reason
from annotation.libraries.models import LibraryEmbedding

# The latest features of a job that its pace is measured on. They bound the query, whatever the job's size.
FEATURES_FOR_PACE = 4096

# Whole batches: the features that one claim took, none of which is still running. The batch of the oldest of
# the latest features is left out where it may be cut.
_ENDED_BATCHES = """
WITH latest AS (
    SELECT job.id AS job_id, item.started_at, item.finished_at
    FROM unnest(%(jobs)s::bigint[]) job(id) CROSS JOIN LATERAL (
        SELECT started_at, finished_at FROM annotation_jobitem
        WHERE job_id = job.id AND finished_at IS NOT NULL AND started_at IS NOT NULL AND state <> 'cancelled'
        ORDER BY finished_at DESC LIMIT %(limit)s
    ) item
), batch AS (
    SELECT job_id, started_at, max(finished_at) AS ended_at, count(*) AS n_features,
        sum(count(*)) OVER of_job AS n_read, min(started_at) OVER of_job AS oldest
    FROM latest GROUP BY job_id, started_at WINDOW of_job AS (PARTITION BY job_id)
)
SELECT job_id, n_features, extract(epoch FROM statement_timestamp() - started_at)::float8,
    extract(epoch FROM statement_timestamp() - ended_at)::float8
FROM batch
WHERE (n_read < %(limit)s OR started_at > oldest) AND NOT EXISTS (
    SELECT FROM annotation_jobitem running
    WHERE running.job_id = batch.job_id AND running.state = 'running'
        AND running.started_at = batch.started_at
)
"""


class JobOutcome(StrEnum):
    """How a job ended. A feature without a match counts as success: the search worked."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"  # some features failed, cannot be annotated, or stayed cancelled after a retry
    FAILED = "failed"  # all features failed or cannot be annotated
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        """In words, for pages and mails."""
        return _LABELS[self]


_LABELS = {
    JobOutcome.OPEN: "Open",
    JobOutcome.SUCCEEDED: "Done",
    JobOutcome.PARTIAL: "Done, some without result",
    JobOutcome.FAILED: "Failed",
    JobOutcome.CANCELLED: "Cancelled",
}


def find_outcome(state: Job.State, total: int, without_result: int, cancelled: int) -> JobOutcome:
    """`without_result`: features that failed or cannot be annotated."""
    if state not in (Job.State.DONE, Job.State.CANCELLED):
        return JobOutcome.OPEN
    if state == Job.State.CANCELLED:
        return JobOutcome.CANCELLED
    if not without_result and not cancelled:
        return JobOutcome.SUCCEEDED
    return JobOutcome.FAILED if without_result == total else JobOutcome.PARTIAL


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
    rate_per_s: float | None  # features per second over whole batches; None until it means something
    time_left: TimeLeft | None  # None until it means something, and while the job waits
    ahead_in_queue: int  # open features of jobs with a higher priority, or submitted earlier with the same
    queue_position: int | None  # 1: a worker takes the next batch from this job. None: nothing to take.
    n_in_queue: int  # jobs that a worker could take a batch from
    # Of features without a result, by code, and the attempts that they took. Not counted for lists.
    error_codes: Mapping[str, int] = field(default_factory=dict)
    attempts: int | None = None
    none_of_these: int = 0  # of `done`: the better answer is "none of these". Not counted for lists.

    @property
    def finished(self) -> int:
        return self.done + self.no_match + self.unusable + self.failed + self.cancelled

    @property
    def percent(self) -> float:
        """Rounded down to a tenth, so that 100 means that every feature is finished."""
        return int(1000 * self.finished / self.total) / 10 if self.total else 100.0

    @property
    def is_final(self) -> bool:
        return self.state in (Job.State.DONE, Job.State.CANCELLED)

    @property
    def outcome(self) -> JobOutcome:
        return find_outcome(self.state, self.total, self.without_result, self.cancelled)

    @property
    def without_result(self) -> int:
        return self.unusable + self.failed

    @property
    def stalled(self) -> bool:
        """Features are open, and no worker can process them until somebody acts."""
        return self.waiting in STALLS

    @property
    def without_worker(self) -> bool:
        """Features are open and no worker is alive."""
        return self.waiting is Waiting.NO_WORKER

    @property
    def eta_s(self) -> float | None:
        return self.time_left.expected_s if self.time_left else None

    @property
    def eta_low_s(self) -> float | None:
        return self.time_left.low_s if self.time_left else None

    @property
    def eta_high_s(self) -> float | None:
        return self.time_left.high_s if self.time_left else None


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of an open job in the queue."""

    position: int | None = None
    n_in_queue: int = 0
    n_ahead: int = 0


def progress(job: Job) -> Progress:
    """The progress of one job. Seven queries at most, each over an index."""
    known = with_progress([job])[0][1]
    # Results are a layer above jobs, so the relation is followed from here without an import.
    n_none = job.annotations.filter(abstains=True).count()
    codes, attempts = _errors(job) if known.without_result else ({}, 0)
    return replace(known, none_of_these=n_none, error_codes=codes, attempts=attempts)


def with_progress(jobs: Iterable[Job]) -> list[tuple[Job, Progress]]:
    """For lists: two queries if all jobs are finished, five otherwise. `none_of_these` is not counted."""
    rows = list(jobs)
    counts, workers = _counts(rows), WorkerHeartbeat.objects.status()
    open_jobs = [job for job in rows if job.finished_at is None]
    places = _places() if open_jobs else {}
    paces = _paces(open_jobs) if open_jobs else {}
    embeddings = _unfinished_embeddings(open_jobs)
    return [
        (
            job,
            _assemble(
                job,
                counts[job.pk],
                workers,
                pace=paces.get(job.pk),
                place=places.get(job.pk, _Place()),
                embedding=embeddings.get(job.pk, ""),
            ),
        )
        for job in rows
    ]


def _counts(jobs: list[Job]) -> Mapping[int, Mapping[str, int]]:
    """The number of items by job and state."""
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    grouped = (
        JobItem.objects.filter(job__in=jobs).order_by().values("job_id", "state").annotate(n=Count("pk"))
    )
    for row in grouped:
        counts[row["job_id"]][row["state"]] = row["n"]
    return counts


def _errors(job: Job) -> tuple[dict[str, int], int]:
    """The number of features without a result by error code, and their attempts. One query."""
    without_result = JobItem.objects.filter(job=job, state__in=[JobItem.State.FAILED, JobItem.State.UNUSABLE])
    grouped = (
        without_result.order_by("error_code")
        .values("error_code")
        .annotate(n=Count("pk"), n_attempts=Sum("attempts"))
    )
    rows = list(grouped)
    return {row["error_code"]: row["n"] for row in rows}, sum(row["n_attempts"] for row in rows)


def _places() -> dict[int, _Place]:
    """The place of every open job. One query."""
    open_items = (
        JobItem.objects.filter(job=OuterRef("pk"), state__in=[JobItem.State.PENDING, JobItem.State.RUNNING])
        .order_by()
        .values("job")
        .annotate(n=Count("pk"))
    )
    jobs = list(
        Job.objects.filter(finished_at=None)
        .annotate(
            n_open=Coalesce(Subquery(open_items.values("n")), 0),
            in_queue=Exists(ledger.claimable().filter(pk=OuterRef("pk"))),
        )
        .order_by(*ledger.TURN)
        .values_list("pk", "priority", "n_open", "in_queue")
    )
    in_turn = [pk for pk, _, _, in_queue in jobs if in_queue]
    positions = {pk: position for position, pk in enumerate(in_turn, 1)}
    by_age = sorted(jobs, key=lambda job: (-job[1], job[0]))
    n_ahead = accumulate((n_open for _, _, n_open, _ in by_age), initial=0)
    return {
        pk: _Place(positions.get(pk), len(in_turn), n)
        for (pk, *_), n in zip(by_age, n_ahead, strict=False)  # the last sum is that of all
    }


def _paces(jobs: Sequence[Job]) -> dict[int, Pace | None]:
    """The pace of each job. One query."""
    batches: dict[int, list[EndedBatch]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_ENDED_BATCHES, {"jobs": [job.pk for job in jobs], "limit": FEATURES_FOR_PACE})
        for job_id, *batch in cursor.fetchall():
            batches[job_id].append(EndedBatch(*batch))
    return {job_id: measure_pace(ended) for job_id, ended in batches.items()}


def _assemble(
    job: Job,
    counts: Mapping[str, int],
    workers: WorkerStatus,
    *,
    pace: Pace | None,
    place: _Place,
    embedding: str,
) -> Progress:
    n = {state: counts[state] for state in JobItem.State.values}
    n_open = n["pending"] + n["running"]
    waiting, waiting_for = find_reason(job, workers, embedding) if n_open else (None, "")
    return Progress(
        state=job.state,
        total=sum(n.values()),
        pending=n["pending"],
        running=n["running"],
        done=n["done"],
        no_match=n["no_match"],
        unusable=n["unusable"],
        failed=n["failed"],
        cancelled=n["cancelled"],
        waiting=waiting,
        waiting_for=waiting_for,
        last_heartbeat=workers.last_seen_at,
        rate_per_s=pace.rate_per_s if pace else None,
        time_left=pace.time_left(n_open, n["running"]) if pace and waiting is None else None,
        ahead_in_queue=place.n_ahead,
        queue_position=place.position,
        n_in_queue=place.n_in_queue,
    )


def _unfinished_embeddings(jobs: Sequence[Job]) -> dict[int, str]:
    """The progress of the embedding that each job waits for, as a sentence. At most one query.

    The rows of `jobs` come with their library versions.
    """
    unsure = [job for job in jobs if job.windows_embedded_at is None]
    if not unsure:
        return {}
    runs = {
        (run.version_id, run.model_version_id): run
        for run in LibraryEmbedding.objects.filter(
            version__in={job.library_version_id for job in unsure},
            model_version__in={job.model_version_id for job in unsure},
        )
    }
    sentences = {}
    for job in unsure:
        run = runs.get((job.library_version_id, job.model_version_id))
        if run is None or run.finished_at is None:
            n_embedded = run.n_embedded if run else 0
            sentences[job.pk] = (
                f"The library is being prepared for this model: {n_embedded:,} of "
                f"{job.library_version.n_molecules:,} molecules are embedded. "
                "The molecules that this job searches come first."
            )
    return sentences
