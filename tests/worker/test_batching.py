"""Faults during a batch: halved for memory, narrowed down to one spectrum, stopped, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

pytest.importorskip("torch")

from django.db import DataError, OperationalError

from annotation.jobs import actions, ledger
from annotation.jobs.ledger import Batch
from annotation.models import Job, JobItem
from models_ml.outcomes import CannotAnnotate, Outcome
from tests.annotation.builders import make_job
from worker.batching import Batching

pytestmark = pytest.mark.django_db

ANSWER = CannotAnnotate("answered", "An answer.")


class Recorder:
    """Replaces the recording: ends the items and keeps the batch sizes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self.sizes.append(len(outcomes))
        JobItem.objects.held(batch.items).end(JobItem.State.DONE)
        ledger.close_finished({item.job_id for item in batch.items})


def answer_all(batch: Batch) -> list[Outcome]:
    return [ANSWER] * len(batch.items)


def run(
    annotate: Callable[[Batch], Sequence[Outcome]],
    limit: int = 8,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[Recorder, Batching]:
    recorder = Recorder()
    runner = Batching(annotate=annotate, record=recorder, stopping=stopping, limit=limit)
    Job.objects.update(n_batches=len(ledger.FIRST_BATCHES))  # past its small first batches
    batch = ledger.claim(limit=8, worker="w")
    assert batch is not None
    runner.run(batch)
    return recorder, runner


def states(job: Job) -> list[str]:
    return list(job.items.order_by("position").values_list("state", flat=True))


def test_out_of_memory_halves_this_and_later_batches() -> None:
    job = make_job(n_spectra=8)

    def annotate(batch: Batch) -> list[Outcome]:
        if len(batch.items) > 2:
            raise MemoryError
        return answer_all(batch)

    recorder, runner = run(annotate)

    assert recorder.sizes == [2, 2, 2, 2]
    assert runner.limit == 2
    assert states(job) == ["done"] * 8


def test_spectrum_that_needs_too_much_memory_is_retried_alone() -> None:
    job = make_job(n_spectra=1)

    def annotate(batch: Batch) -> list[Outcome]:
        raise MemoryError

    run(annotate)

    item = job.items.get()
    assert (item.state, item.error_code, item.isolated) == ("pending", "out_of_memory", True)


def test_unexpected_error_is_narrowed_down_to_its_spectrum() -> None:
    job = make_job(n_spectra=7)
    culprit = job.items.get(position=3).pk

    def annotate(batch: Batch) -> list[Outcome]:
        if any(item.id == culprit for item in batch.items):
            raise ZeroDivisionError("by nothing")
        return answer_all(batch)

    run(annotate)

    assert states(job) == ["done"] * 3 + ["pending"] + ["done"] * 3
    item = job.items.get(pk=culprit)
    assert item.error == "ZeroDivisionError: by nothing"
    assert item.isolated


def test_stop_releases_items_that_have_not_started() -> None:
    job = make_job(n_spectra=4)
    begun: list[int] = []

    def annotate(batch: Batch) -> list[Outcome]:
        begun.append(len(batch.items))
        return answer_all(batch)

    run(annotate, limit=2, stopping=lambda: bool(begun))

    assert states(job) == ["done", "done", "pending", "pending"]
    assert set(job.items.filter(state="pending").values_list("attempts", flat=True)) == {0}


def test_a_cancel_keeps_what_is_running_and_ends_the_rest() -> None:
    job = make_job(n_spectra=4)

    def annotate(batch: Batch) -> list[Outcome]:
        actions.cancel(job, job.submitted_by)
        return answer_all(batch)

    recorder, _ = run(annotate, limit=2)

    job.refresh_from_db()
    assert (states(job), job.state) == (["done"] * 2 + ["cancelled"] * 2, Job.State.CANCELLED)
    assert recorder.sizes == [2]


def test_result_that_cannot_be_recorded_is_narrowed_down() -> None:
    job = make_job(n_spectra=3)
    culprit = job.items.get(position=1).pk
    recorder = Recorder()

    def refuse_culprit(batch: Batch, outcomes: Sequence[Outcome]) -> None:
        if any(item.id == culprit for item in batch.items):
            raise DataError("a value out of range")
        recorder(batch, outcomes)

    batch = ledger.claim(limit=8, worker="w")
    assert batch is not None
    Batching(annotate=answer_all, record=refuse_culprit, stopping=lambda: False, limit=8).run(batch)

    assert states(job) == ["done", "pending", "done"]


def test_database_fault_fails_no_spectrum() -> None:
    job = make_job(n_spectra=2)

    def annotate(batch: Batch) -> list[Outcome]:
        raise OperationalError("the server closed the connection")

    with pytest.raises(OperationalError):
        run(annotate)

    assert set(job.items.values_list("state", "error")) == {("running", "")}
