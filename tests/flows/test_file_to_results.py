"""The way of a file of spectra: upload, library, job, worker, results. Only the broker is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from annotation.jobs import actions
from annotation.jobs.heartbeat import SignOfLife
from annotation.jobs.progress import progress
from annotation.libraries.load import import_library
from annotation.models import Annotation, Job, ModelVersion, WorkerHeartbeat
from annotation.results import export
from annotation.spectra.ingest import store_upload
from models_ml.outcomes import AnnotateParams
from tests.annotation.builders import SMILES, make_project, make_user
from worker.pulse import Pulse
from worker.runtime import Runtime
from worker.work import Work

pytestmark = pytest.mark.django_db

SPECTRA = """\
BEGIN IONS
TITLE=aspirin
PEPMASS=181.0495
ADDUCT=[M+H]+
121.0284 100
139.0390 40
END IONS
BEGIN IONS
TITLE=caffeine
PEPMASS=195.0877
ADDUCT=[M+H]+
138.0662 100
110.0713 12
END IONS
BEGIN IONS
TITLE=no adduct
PEPMASS=195.0877
138.0662 100
END IONS
BEGIN IONS
TITLE=nothing of that mass
PEPMASS=700.0
ADDUCT=[M+H]+
138.0662 100
END IONS
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "batch.mgf").write_text(SPECTRA)
    (tmp_path / "library.smi").write_text("\n".join(SMILES))
    return tmp_path


def submitted(files: Path, model_version: ModelVersion) -> Job:
    user = make_user()
    upload = store_upload(make_project(user), user, files / "batch.mgf", "batch.mgf")
    version = import_library("five drugs", files / "library.smi", user=user)
    return actions.submit(
        project=upload.project,
        user=user,
        name="batch",
        spectra=upload.spectra.all(),
        library_version=version,
        model_version=model_version,
        params=AnnotateParams(beam_size=2, max_tokens=20),
    )


def work_until_idle() -> Pulse:
    runtime = Runtime()
    pulse = Pulse(SignOfLife(worker=runtime.name, device=runtime.device_name))
    work = Work(runtime, pulse)
    while work.step():
        pass
    return pulse


def test_every_spectrum_ends_annotated_or_failed_with_a_reason(
    files: Path, model_version: ModelVersion
) -> None:
    job = submitted(files, model_version)

    work_until_idle()

    now = progress(job)
    job.refresh_from_db()
    assert (job.state, now.done, now.failed) == (Job.State.DONE, 2, 2)
    reasons = dict(job.items.filter(state="failed").values_list("spectrum__title", "error_code"))
    assert reasons == {"no adduct": "no_adduct", "nothing of that mass": "no_candidates"}

    aspirin = Annotation.objects.get(job=job, spectrum__title="aspirin")
    assert (aspirin.n_in_window, aspirin.n_candidates, aspirin.candidates.count()) == (3, 3, 3)
    assert {c.molecule.formula for c in aspirin.candidates.all()} == {"C9H8O4"}
    assert aspirin.generated.count() == 2
    assert set(aspirin.timings_s) == {"preprocess", "embed", "retrieve", "generate", "rerank"}
    assert aspirin.rdkit_version
    assert aspirin.torch_version
    assert len(list(export.rows(job))) == 4


def test_the_same_pins_give_the_same_ranks(files: Path, model_version: ModelVersion) -> None:
    first = submitted(files, model_version)
    work_until_idle()
    again = actions.submit(
        project=first.project,
        user=first.submitted_by,
        name="again",
        spectra=[item.spectrum_id for item in first.items.order_by("-position")],
        library_version=first.library_version,
        model_version=model_version,
        params=AnnotateParams(beam_size=2, max_tokens=20),
    )
    work_until_idle()

    def ranks(job: Job) -> dict[int, list[int]]:
        return {
            annotation.spectrum_id: [c.molecule_id for c in annotation.candidates.all()]
            for annotation in job.annotations.all()
        }

    assert ranks(again) == ranks(first)
    assert len(ranks(first)) == 2


def test_a_worker_without_the_checkpoint_says_so_and_costs_no_attempt(
    files: Path, model_version: ModelVersion
) -> None:
    model_version.folder = "/nowhere"
    model_version.save()
    job = submitted(files, model_version)

    work_until_idle().beat()

    assert set(job.items.values_list("state", "attempts")) == {("pending", 0)}
    assert "/nowhere" in WorkerHeartbeat.objects.get().problem
    assert "/nowhere" in progress(job).waiting_for
