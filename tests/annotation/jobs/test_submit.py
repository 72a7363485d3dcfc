"""Submitting: checks, one transaction, workers are told after the commit; and progress from the ledger."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from annotation.jobs import actions, heartbeat, ledger
from annotation.jobs.heartbeat import Heartbeat
from annotation.jobs.parameters import from_json
from annotation.jobs.progress import Waiting, progress, with_progress
from annotation.models import (
    Job,
    JobItem,
    Library,
    LibraryEmbedding,
    LibraryVersion,
    ModelVersion,
    Project,
    Spectrum,
    WorkerHeartbeat,
)
from models_ml.outcomes import AnnotateParams
from tests.annotation.builders import (
    make_importing_version,
    make_job,
    make_library_version,
    make_model_version,
    make_project,
    make_spectrum,
    make_upload,
    make_user,
)

pytestmark = pytest.mark.django_db


def submit(default: list[Spectrum], **overrides: object) -> Job:
    arguments: dict[str, object] = {
        "project": default[0].project,
        "user": make_user(),
        "name": "batch",
        "features": [spectrum.membership.feature_id for spectrum in default],
        "library_version": make_library_version(),
        "model_version": make_model_version(),
        "params": AnnotateParams(beam_size=3),
    }
    return actions.submit(**(arguments | overrides))  # type: ignore[arg-type]


def test_items_keep_the_order_without_repeats() -> None:
    upload = make_upload()
    first, second = make_spectrum(upload), make_spectrum(upload)

    job = submit([second, first, second])

    assert list(job.items.order_by("position").values_list("spectrum", flat=True)) == [second.pk, first.pk]
    assert from_json(job.params) == AnnotateParams(beam_size=3)


def test_features_can_be_a_queryset() -> None:
    upload = make_upload()
    spectrum = make_spectrum(upload)

    assert submit([spectrum], features=upload.features.all()).items.count() == 1


def test_embedding_is_requested_and_workers_are_told_after_the_commit(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Callable[[], object]]]],
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        job = submit([make_spectrum()])

    assert actions.ring in callbacks
    run = LibraryEmbedding.objects.get(version=job.library_version, model_version=job.model_version)
    assert (run.n_embedded, run.finished_at) == (0, None)


@pytest.mark.parametrize(
    ("override", "field"),
    [
        (lambda: {"features": []}, "spectra"),
        (lambda: {"features": [make_spectrum().pk]}, "spectra"),  # of another project
        (
            lambda: {"library_version": make_importing_version(Library.objects.create(name="new"))},
            "library_version",
        ),
        (lambda: {"library_version": version_of(make_project())}, "library"),
    ],
    ids=["no spectra", "foreign spectra", "library not ready", "foreign library"],
)
def test_refused(override: Callable[[], dict[str, object]], field: str) -> None:
    with pytest.raises(actions.CannotSubmit) as refusal:
        submit([make_spectrum()], **override())
    assert refusal.value.field == field
    assert not Job.objects.exists()


def version_of(project: Project) -> LibraryVersion:
    version = make_library_version()
    version.library.project = project
    version.library.save()
    return version


def test_progress_counts_items_and_reports_that_no_worker_is_alive() -> None:
    job = make_job(n_spectra=4)
    batch = ledger.claim(limit=2, worker="w")
    assert batch is not None
    ledger.fail(batch.items[0], code="x", reason="y")
    job.refresh_from_db()

    now = progress(job)

    assert (now.total, now.pending, now.running, now.failed, now.percent) == (4, 2, 1, 1, 25.0)
    assert (now.stalled, now.waiting) == (True, Waiting.NO_WORKER)
    assert "No worker" in now.waiting_for

    heartbeat.beat(Heartbeat(worker="w", device="cpu"))
    assert not progress(job).stalled
    WorkerHeartbeat.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    assert progress(job).stalled


def test_progress_reports_what_the_job_waits_for() -> None:
    job = make_job(n_spectra=1)
    LibraryEmbedding.objects.update(finished_at=None, n_embedded=2)
    heartbeat.beat(Heartbeat(worker="w", device="cpu"))
    now = progress(job)
    assert now.waiting is Waiting.EMBEDDING
    assert "2 of 5 molecules are embedded" in now.waiting_for

    heartbeat.beat(Heartbeat(worker="w", device="cpu", problem="The checkpoint is gone."))
    now = progress(job)
    assert (now.waiting, now.waiting_for) == (Waiting.WORKER_PROBLEM, "The checkpoint is gone.")
    heartbeat.beat(Heartbeat(worker="another", device="cpu"))
    assert progress(job).waiting is Waiting.EMBEDDING  # the other worker can work


def test_a_finished_job_waits_for_nothing() -> None:
    job = make_job(n_spectra=1)
    actions.cancel(job, make_user())
    assert (progress(job).waiting, progress(job).waiting_for) == (None, "")


def test_rate_and_remaining_time_follow_from_the_last_minute() -> None:
    job = make_job(n_spectra=30)
    Job.objects.update(started_at=Now() - timedelta(minutes=5))
    done = job.items.filter(position__lt=20)
    JobItem.objects.filter(pk__in=done).update(state="done", finished_at=Now() - timedelta(seconds=20))
    job.refresh_from_db()

    now = progress(job)

    assert now.rate_per_s == pytest.approx(1.0, rel=0.2)
    assert now.eta_s == pytest.approx(10.0, rel=0.2)


def test_earlier_jobs_are_ahead() -> None:
    model: ModelVersion = make_model_version()
    make_job(n_spectra=5, model_version=model)
    assert progress(make_job(n_spectra=1, model_version=model)).ahead_in_queue == 5


def test_a_list_of_jobs_costs_three_queries_regardless_of_its_length(
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    for _ in range(3):
        make_job(n_spectra=2)
    with django_assert_num_queries(3):
        rows = with_progress(Job.objects.all())
    assert [now.total for _, now in rows] == [2, 2, 2]
