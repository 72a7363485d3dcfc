"""A file of spectra on its path: upload, library, job, worker, results. Only the broker is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

pytest.importorskip("torch")

from annotation.exports import table as export
from annotation.jobs import actions
from annotation.jobs.heartbeat import Heartbeat
from annotation.jobs.progress import progress
from annotation.libraries.load import import_library
from annotation.libraries.register_checkpoint import register_checkpoint
from annotation.models import (
    Annotation,
    GeneratedMolecule,
    Job,
    LibraryEmbedding,
    ModelVersion,
    WorkerHeartbeat,
)
from annotation.references.load import import_references
from annotation.spectra.ingest import store_upload
from annotation.web.evidence import FUSED_CHANNELS, OPTIONAL_CHANNELS, SIMILARITIES
from models_ml.outcomes import AnnotateParams
from tests.annotation.builders import SMILES, make_project, make_user
from worker import references
from worker.heartbeat_thread import HeartbeatThread
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
        features=upload.features.all(),
        library_version=version,
        model_version=model_version,
        params=AnnotateParams(beam_size=2, max_tokens=20),
    )


def work_until_idle() -> HeartbeatThread:
    work = worker()
    while work.step():
        pass
    return work.heartbeat


def worker() -> Work:
    runtime = Runtime()
    return Work(runtime, HeartbeatThread(Heartbeat(worker=runtime.name, device=runtime.device_name)))


def test_every_spectrum_ends_with_an_outcome_and_a_reason(files: Path, model_version: ModelVersion) -> None:
    job = submitted(files, model_version)

    work_until_idle()

    now = progress(job)
    job.refresh_from_db()
    assert (job.state, now.done, now.no_match, now.unusable, now.failed) == (Job.State.DONE, 2, 1, 1, 0)
    reasons = dict(job.items.exclude(state="done").values_list("spectrum__title", "error_code"))
    assert reasons == {"no adduct": "no_adduct", "nothing of that mass": "no_candidates"}

    aspirin = Annotation.objects.get(job=job, spectrum__title="aspirin")
    assert (aspirin.n_in_window, aspirin.n_candidates, aspirin.candidates.count()) == (3, 3, 3)
    assert {c.molecule.formula for c in aspirin.candidates.all()} == {"C9H8O4"}
    assert aspirin.generated.count() == 2
    assert set(aspirin.timings_s) == {"preprocess", "embed", "retrieve", "generate", "rerank", "formulas"}
    assert aspirin.rdkit_version
    assert aspirin.torch_version
    assert len(list(export.rows(job))) == 4
    unmatched = Annotation.objects.get(job=job, n_candidates=0)
    assert unmatched.item.state == "no_match"


def test_job_ends_before_its_new_library_is_fully_embedded(
    files: Path, model_version: ModelVersion, settings: Settings
) -> None:
    settings.GLMR_EMBED_CHUNK = 1
    job = submitted(files, model_version)
    work = worker()

    while job.finished_at is None and work.step():
        job.refresh_from_db()

    assert job.items.filter(state="done").count() == 2
    assert {a.n_in_window for a in job.annotations.all()} == {0, 1, 3}
    run = LibraryEmbedding.objects.get()
    assert (run.n_embedded, run.finished_at) == (4, None)


def test_the_same_pins_give_the_same_ranks(files: Path, model_version: ModelVersion) -> None:
    first = submitted(files, model_version)
    work_until_idle()
    again = actions.submit(
        project=first.project,
        user=first.submitted_by,
        name="again",
        features=[item.feature_id for item in first.items.order_by("-position")],
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
    assert len(ranks(first)) == 3  # two annotated and one without a match


def test_upgrade_keeps_old_results_and_continues_with_the_new_model(
    files: Path, model_version: ModelVersion, newer_checkpoint: Path
) -> None:
    done = submitted(files, model_version)
    work_until_idle()
    waiting = submitted(files, model_version)  # when the upgrade removes the old checkpoint
    ModelVersion.objects.update(folder="/nowhere")

    newer = register_checkpoint(newer_checkpoint)
    requested = LibraryEmbedding.objects.filter(model_version=newer)
    assert {run.version for run in requested} == {waiting.library_version}  # its library's newest
    fresh = submitted(files, newer)
    work_until_idle()

    assert not requested.filter(finished_at=None).exists()
    assert set(fresh.items.values_list("state", flat=True)) == {"done", "no_match", "unusable"}
    assert set(waiting.items.values_list("state", "attempts")) == {("pending", 0)}
    old = done.annotations.first()
    assert old is not None
    assert (old.job.model_version, ModelVersion.objects.get(is_default=True)) == (model_version, newer)
    assert old.candidates.exists()


def test_references_are_used_by_fused_and_named_in_the_result(
    files: Path, model_version: ModelVersion
) -> None:
    (files / "references.mgf").write_text(
        SPECTRA.split("BEGIN IONS")[1].join(("BEGIN IONS", ""))
        .replace("TITLE=aspirin", "TITLE=REF-1\nSMILES=CC(=O)Oc1ccccc1C(=O)O")
    )  # fmt: skip
    collection = import_references("ours", files / "references.mgf")
    index = references.load(collection.pk)
    assert (len(index), list(index.inchikeys)) == (1, ["BSYNRYMUTXBXSQ"])
    job = submitted(files, model_version)
    job.reference_version = collection
    job.save()

    work_until_idle()

    assert [row["references"] for row in export.rows(job)] == ["ours"] * 4
    assert job.items.filter(state="done").count() == 2


def test_the_shipped_model_states_its_confidence(files: Path, settings: Settings) -> None:
    shipped = register_checkpoint(settings.GLMR_CHECKPOINT)
    job = submitted(files, shipped)

    work_until_idle()

    aspirin = Annotation.objects.get(job=job, spectrum__title="aspirin")
    assert (aspirin.method, aspirin.abstains is None) == ("fused", False)
    assert aspirin.p_right is not None
    assert aspirin.p_close is not None
    assert 0 < aspirin.p_right <= aspirin.p_close <= 1
    first = aspirin.candidates.get(rank=1)
    assert first.probability == aspirin.p_right
    # Without reference spectra the channel analogs has no value. Every other channel has a label on the page.
    known = {channel.name for channel in (*SIMILARITIES, *FUSED_CHANNELS, *OPTIONAL_CHANNELS)}
    assert {"fingerprint", "fragments"} <= set(first.evidence) <= known - {"analogs"}
    assert shipped.ranking_sha256

    # The stored library membership of generated molecules is that of the whole library version.
    library = set(job.library_version.entries.values_list("molecule__inchikey_first_block", flat=True))
    generated = GeneratedMolecule.objects.filter(annotation__job=job).exclude(smiles="")
    assert generated.exists()
    for molecule in generated:
        assert molecule.in_library == (molecule.inchikey_first_block in library)
        assert not (molecule.in_library and molecule.is_proposed)


def test_worker_without_the_checkpoint_reports_it_and_costs_no_attempt(
    files: Path, model_version: ModelVersion
) -> None:
    model_version.folder = "/nowhere"
    model_version.save()
    job = submitted(files, model_version)

    work_until_idle().beat()

    assert set(job.items.values_list("state", "attempts")) == {("pending", 0)}
    assert "/nowhere" in WorkerHeartbeat.objects.get().problem
    assert "/nowhere" in progress(job).waiting_for
