"""The end of items: done, failed, retried, cancelled, released from a dead worker; and the end of the job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction

from annotation.jobs import actions, ledger
from annotation.jobs.ledger import Batch, ClaimedItem
from annotation.models import Job, JobItem
from tests.annotation.builders import make_job, make_user

pytestmark = pytest.mark.django_db


def claimed(limit: int = 10, lease_s: float | None = None) -> Batch:
    batch = ledger.claim(limit=limit, worker="w", lease_s=lease_s)
    assert batch is not None
    return batch


def states(job: Job) -> list[str]:
    return list(job.items.order_by("position").values_list("state", flat=True))


def test_the_last_item_ends_the_job() -> None:
    job = make_job(n_spectra=2)
    first, second = claimed().items

    ledger.fail(first, code="no_precursor", reason="No precursor m/z.")
    job.refresh_from_db()
    assert job.finished_at is None
    ledger.fail(second, code="no_precursor", reason="No precursor m/z.")

    job.refresh_from_db()
    assert job.state == Job.State.DONE


def test_an_expired_lease_makes_the_item_pending_and_isolated() -> None:
    job = make_job(n_spectra=2)
    claimed(lease_s=-1)

    assert ledger.release_expired() == 2

    assert states(job) == ["pending", "pending"]
    again = claimed()
    assert [(item.attempt, item.fence) for item in again.items] == [(2, 2)]  # alone


def test_a_renewed_lease_does_not_expire() -> None:
    make_job(n_spectra=1)
    batch = claimed(lease_s=-1)

    assert ledger.renew(batch) == 1

    assert ledger.release_expired() == 0


def test_an_item_whose_worker_dies_three_times_fails_with_the_reason() -> None:
    job = make_job(n_spectra=1)
    for _ in range(3):
        claimed(lease_s=-1)
        ledger.release_expired()

    item = job.items.get()
    job.refresh_from_db()
    assert (item.state, item.error_code, item.attempts) == ("failed", "worker_died", 3)
    assert "worker died" in item.error
    assert job.state == Job.State.DONE


def test_a_late_failure_changes_nothing() -> None:
    job = make_job(n_spectra=1)
    late = claimed(lease_s=-1).items[0]
    ledger.release_expired()
    current = claimed().items[0]

    assert ledger.fail(late, code="late", reason="late") is False
    assert ledger.retry(late, code="late", reason="late") is False

    assert states(job) == ["running"]
    assert ledger.fail(current, code="x", reason="y") is True


def test_a_temporary_error_is_retried_up_to_three_attempts() -> None:
    job = make_job(n_spectra=1)
    for attempt in (1, 2, 3):
        item = claimed().items[0]
        assert item.attempt == attempt
        ledger.retry(item, code="out_of_memory", reason="Out of memory.")

    ended = job.items.get()
    assert ended.state == "failed"
    assert ended.error.startswith("Out of memory. (attempt 3")


def test_a_release_does_not_count_as_an_attempt() -> None:
    job = make_job(n_spectra=1)
    ledger.release(claimed().items)

    assert (states(job), job.items.get().attempts) == (["pending"], 0)


def test_cancel_ends_pending_items_now_and_those_of_a_worker_before_it_begins_them() -> None:
    job = make_job(n_spectra=3)
    batch = claimed(limit=1)

    actions.cancel(job, make_user())
    assert states(job) == ["running", "cancelled", "cancelled"]
    assert job.finished_at is None
    assert ledger.cancelled(batch) == {batch.items[0].id}
    ledger.end_cancelled(batch.items)

    job.refresh_from_db()
    assert (states(job), job.state) == (["cancelled"] * 3, Job.State.CANCELLED)


def test_a_retry_at_the_same_time_as_a_cancel_ends_cancelled() -> None:
    job = make_job(n_spectra=1)
    item = claimed().items[0]
    actions.cancel(job, make_user())
    ledger.retry(item, code="x", reason="y")

    ledger.release_expired()

    job.refresh_from_db()
    assert (states(job), job.state) == (["cancelled"], Job.State.CANCELLED)


def test_cancelling_a_finished_job_changes_nothing() -> None:
    job = make_job(n_spectra=1)
    ledger.fail(claimed().items[0], code="x", reason="y")

    actions.cancel(job, make_user())

    assert job.state == Job.State.DONE


def test_retry_failed_opens_a_finished_job_again() -> None:
    job = make_job(n_spectra=2)
    first, second = claimed().items
    ledger.fail(first, code="x", reason="y")
    JobItem.objects.held([second]).end(JobItem.State.DONE)
    ledger.close_finished([job.pk])

    assert actions.retry_failed(job, make_user()) == 1

    assert (states(job), job.state) == (["pending", "done"], Job.State.RUNNING)
    assert claimed().items[0].attempt == 1


def test_a_cancelled_job_can_be_resumed() -> None:
    job = make_job(n_spectra=4)
    batch = claimed(limit=2)
    actions.cancel(job, make_user())
    JobItem.objects.held(batch.items[:1]).end(JobItem.State.DONE)
    ledger.fail(batch.items[1], code="x", reason="y")

    assert actions.resume(job, make_user()) == 2

    assert (states(job), job.state) == (["done", "failed", "pending", "pending"], Job.State.RUNNING)
    assert (job.cancel_requested_at, job.cancelled_by) == (None, None)
    assert [item.attempt for item in claimed().items] == [1, 1]
    assert actions.resume(job, make_user()) == 0


def test_a_job_can_be_resumed_while_a_worker_finishes_its_last_batch() -> None:
    job = make_job(n_spectra=3)
    batch = claimed(limit=1)
    actions.cancel(job, make_user())

    actions.resume(job, make_user())

    assert (states(job), ledger.cancelled(batch)) == (["running", "pending", "pending"], frozenset())


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_end_the_last_two_items_at_once_finish_the_job() -> None:
    job = make_job(n_spectra=2)
    items = claimed().items
    both_ended = Barrier(2, timeout=10)

    def end(item: ClaimedItem) -> None:
        with transaction.atomic():
            JobItem.objects.held([item]).end(JobItem.State.DONE)
            both_ended.wait()  # neither sees the other's item ended
            ledger.close_finished([item.job_id])
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(end, items))

    job.refresh_from_db()
    assert job.finished_at is not None
