"""A spectrum that kills its worker fails alone after three attempts. The others finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.jobs import actions
from annotation.models import Annotation, ModelVersion
from models_ml.outcomes import AnnotateParams
from tests.annotation.builders import make_library_version, make_spectrum, make_upload
from tests.worker.processes import is_finished, wait_until

if TYPE_CHECKING:
    from tests.worker.conftest import Start

pytestmark = pytest.mark.timeout(900)  # starts torch several times, possibly on a busy machine


def test_spectrum_that_kills_its_worker(start: Start, model_version: ModelVersion) -> None:
    upload = make_upload()
    titles = ["good", "good", "poison", "good", "good"]
    job = actions.submit(
        project=upload.project,
        user=upload.uploaded_by,
        name="poisoned",
        features=[make_spectrum(upload, title=title).membership.feature_id for title in titles],
        library_version=make_library_version(),
        model_version=model_version,
        params=AnnotateParams(),
    )
    start("beat")
    poisoned = {"TEST_WORKER_MODULE": "tests.worker.poisoned_tasks", "GLMR_BATCH_SIZE": "4"}
    workers = [start("worker", **poisoned)]

    def start_again_if_dead() -> None:
        if not workers[-1].alive:
            workers.append(start("worker", **poisoned))

    wait_until(lambda: is_finished(job), "the end of the job", meanwhile=start_again_if_dead)

    ends = job.items.values_list("spectrum__title", "state", "attempts", "error_code")
    assert [end for end in ends if end[0] == "poison"] == [("poison", "failed", 3, "worker_died")]
    assert [end[1] for end in ends if end[0] == "good"] == ["done"] * 4
    assert Annotation.objects.filter(job=job).count() == 4
    assert len(workers) == 4  # the poison killed three
