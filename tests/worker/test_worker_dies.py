"""A worker is killed or stopped during a job: nothing is lost and nothing is done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.jobs import actions
from annotation.models import Job, ModelVersion, WorkerHeartbeat
from models_ml.outcomes import AnnotateParams
from tests.annotation.builders import make_library_version, make_spectrum, make_upload
from tests.worker.processes import assert_each_annotated_once, is_finished, n_done, wait_until

if TYPE_CHECKING:
    from tests.worker.conftest import Start

pytestmark = pytest.mark.timeout(900)  # starts torch several times, possibly on a busy machine


def submit(model_version: ModelVersion, n_spectra: int) -> Job:
    """A job as users submit it. The library is not embedded yet."""
    upload = make_upload()
    features = [make_spectrum(upload).membership.feature_id for _ in range(n_spectra)]
    return actions.submit(
        project=upload.project,
        user=upload.uploaded_by,
        name="batch",
        features=features,
        library_version=make_library_version(),
        model_version=model_version,
        params=AnnotateParams(),
    )


def test_sigkill_during_a_job(start: Start, model_version: ModelVersion) -> None:
    job = submit(model_version, 60)
    start("beat")
    worker = start("worker")
    wait_until(lambda: n_done(job) > 0, "the first results")

    worker.kill()
    assert not is_finished(job)
    start("worker")

    wait_until(lambda: is_finished(job), "the end of the job")
    assert_each_annotated_once(job)


def test_sigterm_finishes_the_batch_and_releases_the_rest(start: Start, model_version: ModelVersion) -> None:
    job = submit(model_version, 60)
    worker = start("worker")
    wait_until(lambda: n_done(job) > 0, "the first results")

    assert worker.stop() == 0

    assert not job.items.filter(state="running").exists()
    assert set(job.items.filter(state="pending").values_list("attempts", flat=True)) == {0}
    assert WorkerHeartbeat.objects.get().stopped_at is not None


def test_cancel_during_a_job(start: Start, model_version: ModelVersion) -> None:
    job = submit(model_version, 60)
    start("worker")
    wait_until(lambda: n_done(job) > 0, "the first results")

    actions.cancel(job, job.submitted_by)

    wait_until(lambda: is_finished(job), "the end of the job")
    assert job.state == Job.State.CANCELLED
    assert set(job.items.values_list("state", flat=True)) == {"done", "cancelled"}
