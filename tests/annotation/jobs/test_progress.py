"""Progress from the ledger: counts, outcome, pace, place in the queue, and what a job waits for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.jobs import actions, heartbeat, ledger
from annotation.jobs.heartbeat import Heartbeat
from annotation.jobs.progress import JobOutcome, progress, with_progress
from annotation.jobs.waiting import Waiting
from annotation.models import Job, JobItem, LibraryEmbedding, WorkerHeartbeat
from tests.annotation.builders import make_job, make_library_version, make_model_version, make_user

pytestmark = pytest.mark.django_db

TWO_MISSED = timedelta(seconds=21)  # heartbeats come every 10 s by default


def beat(name: str = "w", **fields: object) -> None:
    heartbeat.beat(Heartbeat(worker=name, device="cpu", **fields))  # type: ignore[arg-type]


def waiting(job: Job) -> tuple[Waiting | None, str]:
    now = progress(job)
    return now.waiting, now.waiting_for


def test_counts() -> None:
    job = make_job(n_spectra=4)
    batch = ledger.claim(limit=2, worker="w")
    assert batch is not None
    ledger.fail(batch.items[0], code="x", reason="y")
    job.refresh_from_db()
    now = progress(job)
    assert (now.total, now.pending, now.running, now.failed, now.percent) == (4, 2, 1, 1, 25.0)


def test_the_cause_of_a_stall() -> None:
    job = make_job(n_spectra=1)
    assert progress(job).stalled
    assert waiting(job)[1].startswith("No worker has connected")

    beat()
    assert waiting(job) == (None, "")

    WorkerHeartbeat.objects.update(last_seen_at=timezone.now() - TWO_MISSED)
    now = progress(job)
    assert (now.waiting, now.stalled, now.without_worker) == (Waiting.NO_WORKER, True, True)
    assert "w sends no heartbeats any more. It died" in now.waiting_for

    beat()
    heartbeat.stop("w")
    assert "w was stopped" in waiting(job)[1]


def test_a_problem_of_every_worker_stalls_the_job() -> None:
    job = make_job(n_spectra=1)
    beat(problem="The disk is full.")
    assert waiting(job) == (Waiting.WORKER_PROBLEM, "The disk is full.")
    assert progress(job).stalled
    assert not progress(job).without_worker
    beat("another")
    assert waiting(job) == (None, "")


def test_a_model_that_no_worker_can_load_stalls_its_jobs_only() -> None:
    job, other = make_job(n_spectra=1), make_job(n_spectra=1)
    beat(problem="Its folder is gone.", cannot_load=(job.model_version_id,))
    reason, sentence = waiting(job)
    assert reason is Waiting.NO_WORKER_FOR_MODEL
    assert "Its folder is gone." in sentence
    assert waiting(other) == (None, "")


def test_idle_workers_that_hear_no_message_stall_the_job() -> None:
    job = make_job(n_spectra=1)
    beat(silence_s=60.0)
    assert waiting(job)[0] is Waiting.QUEUE_SILENT
    assert "broker" in waiting(job)[1]
    beat(silence_s=60.0, activity="annotating 64 features")
    assert waiting(job)[0] is None


def test_the_wait_for_an_embedding_is_no_stall() -> None:
    job = make_job(n_spectra=1)
    LibraryEmbedding.objects.update(finished_at=None, n_embedded=2)
    beat()
    now = progress(job)
    assert (now.waiting, now.stalled) == (Waiting.EMBEDDING, False)
    assert "2 of 5 molecules are embedded" in now.waiting_for


def test_a_finished_job_waits_for_nothing() -> None:
    job = make_job(n_spectra=1)
    actions.cancel(job, make_user())
    assert waiting(job) == (None, "")


def run_batches(job: Job, n_batches: int, size: int, seconds: int) -> None:
    """End the first items in batches, one after the other, the last one just now."""
    for number in range(n_batches):
        ended = (n_batches - 1 - number) * seconds
        items = job.items.filter(position__gte=number * size, position__lt=(number + 1) * size)
        items.update(
            state="done",
            started_at=Now() - timedelta(seconds=ended + seconds),
            finished_at=Now() - timedelta(seconds=ended),
        )


def test_rate_and_time_left_follow_from_whole_batches() -> None:
    job = make_job(n_spectra=40)
    beat()
    run_batches(job, 2, 5, 10)
    assert (progress(job).rate_per_s, progress(job).eta_s) == (None, None)

    run_batches(job, 4, 5, 10)
    job.items.filter(position__gte=20, position__lt=25).update(state="running", started_at=Now())
    now = progress(job)
    assert now.rate_per_s == pytest.approx(0.5, rel=0.05)
    assert now.eta_s == pytest.approx(40, rel=0.05)
    assert now.time_left is not None
    assert now.time_left.low_s <= now.time_left.expected_s <= now.time_left.high_s

    # Results of the running batch do not count before its end.
    half = JobItem.objects.filter(job=job, position__in=(20, 21))
    half.update(state="done", finished_at=Now())
    assert progress(job).rate_per_s == pytest.approx(0.5, rel=0.05)


def test_no_time_left_while_the_job_is_stalled() -> None:
    job = make_job(n_spectra=40)
    run_batches(job, 4, 5, 10)
    assert (progress(job).stalled, progress(job).eta_s) == (True, None)


def test_the_place_in_the_queue() -> None:
    model = make_model_version()
    version = make_library_version(model_version=model)
    first = make_job(n_spectra=30, model_version=model, library_version=version)
    second = make_job(n_spectra=2, model_version=model, library_version=version)
    places = [
        (now.queue_position, now.n_in_queue, now.ahead_in_queue) for _, now in with_progress([first, second])
    ]
    assert places == [(1, 2, 0), (2, 2, 30)]

    ledger.claim(limit=8, worker="w")  # of the first job, which then waits for its next turn
    assert progress(first).queue_position == 2
    assert progress(second).queue_position == 1

    actions.cancel(second, second.submitted_by)
    second.refresh_from_db()
    assert progress(second).queue_position is None


def test_what_stays_cancelled_after_a_retry_is_no_success() -> None:
    job = make_job(n_spectra=2)
    batch = ledger.claim(limit=1, worker="w")
    assert batch is not None
    actions.cancel(job, make_user())
    ledger.fail(batch.items[0], code="x", reason="y")
    job.refresh_from_db()
    assert progress(job).outcome is JobOutcome.CANCELLED

    actions.retry_failed(job, make_user())
    again = ledger.claim(limit=1, worker="w")
    assert again is not None
    JobItem.objects.held(again.items).end(JobItem.State.DONE)
    ledger.close_finished([job.pk])
    job.refresh_from_db()
    assert progress(job).outcome is JobOutcome.PARTIAL


def test_queries_do_not_grow_with_the_list(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(3):
        make_job(n_spectra=2)
    with django_assert_num_queries(6):  # one of them for the jobs
        rows = with_progress(Job.objects.select_related("library_version"))
    assert [now.total for _, now in rows] == [2, 2, 2]
    Job.objects.update(finished_at=Now())
    with django_assert_num_queries(3):
        with_progress(Job.objects.all())
