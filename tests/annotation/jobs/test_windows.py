"""A job with a new library starts as soon as the molecules that it searches are embedded, never before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from annotation.jobs import actions, embedding_queue, ledger
from annotation.jobs.progress import Waiting, progress
from annotation.jobs.windows import merged
from annotation.libraries import embed
from annotation.models import (
    Job,
    JobWindow,
    LibraryEmbedding,
    LibraryVersion,
    ModelVersion,
    MoleculeEmbedding,
    Spectrum,
    WorkerHeartbeat,
)
from models_ml.outcomes import AnnotateParams, Embedding
from tests.annotation.builders import (
    EMBEDDING_DIM,
    make_library_version,
    make_model_version,
    make_spectrum,
    make_upload,
)

pytestmark = pytest.mark.django_db

ASPIRIN = 181.0495  # three molecules of the builders' library have this mass
CAFFEINE = 195.0877
IBUPROFEN = 207.1380


def fake_vectors(smiles: Sequence[str]) -> Embedding:
    vectors = np.zeros((len(smiles), EMBEDDING_DIM), np.float32)
    vectors[:, 0] = 1
    return vectors


@pytest.fixture
def model() -> ModelVersion:
    return make_model_version()


@pytest.fixture
def version() -> LibraryVersion:
    return make_library_version()


def submit(version: LibraryVersion, model: ModelVersion, *precursors: float | None, **params: object) -> Job:
    upload = make_upload()
    spectra = [make_spectrum(upload, precursor_mz=mz) for mz in precursors]
    return submit_spectra(version, model, spectra, **params)


def submit_spectra(
    version: LibraryVersion, model: ModelVersion, spectra: Sequence[Spectrum], **params: object
) -> Job:
    return actions.submit(
        project=spectra[0].project,
        user=spectra[0].upload.uploaded_by,
        name="batch",
        features=[spectrum.membership.feature_id for spectrum in spectra],
        library_version=version,
        model_version=model,
        params=AnnotateParams(**params),  # type: ignore[arg-type]
    )


def claimable() -> list[int]:
    return [job.pk for job in ledger._claimable_jobs()]


def embedded_formulas() -> list[str]:
    return sorted(MoleculeEmbedding.objects.values_list("molecule__formula", flat=True))


def test_windows_are_merged_into_disjoint_windows() -> None:
    assert list(merged([(3, 4), (1, 2), (1.5, 2.5), (2.5, 2.7), (1.6, 1.7)])) == [(1, 2.7), (3, 4)]
    assert list(merged([])) == []


def test_a_job_starts_once_its_windows_are_embedded(version: LibraryVersion, model: ModelVersion) -> None:
    WorkerHeartbeat.objects.create(name="w", device="cpu")
    job = submit(version, model, ASPIRIN, ASPIRIN, CAFFEINE)
    assert JobWindow.objects.filter(job=job).count() == 2
    assert progress(job).waiting is Waiting.EMBEDDING

    for n_embedded in range(1, 5):  # four of the five molecules lie in its windows
        assert claimable() == []
        waiting = embedding_queue.next_waiting_job()
        assert waiting == job
        assert embedding_queue.embed_windows(waiting, fake_vectors, limit=1) == 1
        assert MoleculeEmbedding.objects.count() == n_embedded

    assert embedded_formulas() == ["C8H10N4O2", "C9H8O4", "C9H8O4", "C9H8O4"]
    assert claimable() == [job.pk]
    assert embedding_queue.next_waiting_job() is None
    assert not JobWindow.objects.exists()
    job.refresh_from_db()
    assert progress(job).waiting is None
    run = LibraryEmbedding.objects.get()
    assert (run.n_embedded, run.finished_at) == (4, None)


def test_a_cation_can_be_a_zwitterion_of_a_second_window(
    version: LibraryVersion, model: ModelVersion
) -> None:
    job = submit_spectra(version, model, [make_spectrum(make_upload(), precursor_mz=ASPIRIN, adduct="[M]+")])
    windows = list(JobWindow.objects.filter(job=job).order_by("lowest").values_list("lowest", "highest"))
    assert [round((low + high) / 2, 3) for low, high in windows] == [180.042, 181.05]
    embedding_queue.embed_windows(job, fake_vectors, limit=10)
    assert embedded_formulas() == ["C9H8O4"] * 3


def test_the_rest_of_the_library_follows_and_the_run_is_finished(
    version: LibraryVersion, model: ModelVersion
) -> None:
    job = submit(version, model, CAFFEINE)
    embedding_queue.embed_windows(job, fake_vectors, limit=10)
    while run := embedding_queue.next_run():
        embed.embed_chunk(run, fake_vectors, limit=10)

    assert MoleculeEmbedding.objects.count() == LibraryEmbedding.objects.get().n_embedded == 5
    assert LibraryEmbedding.objects.get().finished_at is not None


def test_the_job_with_the_fewest_windows_comes_first(version: LibraryVersion, model: ModelVersion) -> None:
    submit(version, model, ASPIRIN, CAFFEINE, IBUPROFEN)
    small = submit(version, model, CAFFEINE)

    assert embedding_queue.next_waiting_job() == small
    embedding_queue.embed_windows(small, fake_vectors, limit=10)

    assert claimable() == [small.pk]


def test_an_embedded_library_needs_no_windows(model: ModelVersion) -> None:
    job = submit(make_library_version(model_version=model), model, ASPIRIN)

    assert not JobWindow.objects.exists()
    assert claimable() == [job.pk]


def test_a_job_without_windows_waits_for_nothing(version: LibraryVersion, model: ModelVersion) -> None:
    job = submit(version, model, None, None)

    assert claimable() == [job.pk]
    assert embedding_queue.next_waiting_job() is None


def test_a_window_without_molecules_needs_no_embedding(version: LibraryVersion, model: ModelVersion) -> None:
    job = submit(version, model, 700.0)

    assert embedding_queue.embed_windows(job, fake_vectors, limit=10) == 0
    assert claimable() == [job.pk]


def test_an_assumed_adduct_decides_the_window(version: LibraryVersion, model: ModelVersion) -> None:
    sodiated = 194.0804 + 22.98922
    bare = make_spectrum(precursor_mz=sodiated, adduct="", ion_mode="positive")
    job = submit_spectra(version, model, [bare], assumed_adducts={"positive": "[M+Na]+"})

    assert embedding_queue.embed_windows(job, fake_vectors, limit=10) == 1
    assert embedded_formulas() == ["C8H10N4O2"]


def test_a_job_without_stored_windows_waits_for_the_whole_library(
    version: LibraryVersion, model: ModelVersion
) -> None:
    job = submit(version, model, CAFFEINE)
    embedding_queue.embed_windows(job, fake_vectors, limit=10)
    Job.objects.update(windows_embedded_at=None)

    assert embedding_queue.next_waiting_job() is None
    assert claimable() == []
    while run := embedding_queue.next_run():
        embed.embed_chunk(run, fake_vectors, limit=10)
    assert claimable() == [job.pk]


def test_a_cancelled_job_is_skipped(version: LibraryVersion, model: ModelVersion) -> None:
    job = submit(version, model, CAFFEINE)
    actions.cancel(job, job.submitted_by)

    assert embedding_queue.next_waiting_job() is None
