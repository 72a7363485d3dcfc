"""The export of a large job needs no more memory than that of a small one."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from annotation.exports.contents import contents_of
from annotation.exports.formats.registry import WRITERS
from annotation.exports.table import rows
from annotation.models import Annotation, Candidate, Export, Feature, Job, JobItem, Spectrum
from tests.annotation.builders import make_job, make_library_version, make_spectrum

N_SPECTRA = 3_000


@pytest.mark.slow
@pytest.mark.django_db
def test_memory_does_not_grow_with_the_job() -> None:
    table = rows(large_job())
    tracemalloc.start()
    assert n_rows(islice(table, 1_000)) == 1_000  # two rounds
    _, first_peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert n_rows(table) == N_SPECTRA - 1_000
    _, later_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert later_peak < 1.5 * first_peak


def n_rows(table: Iterable[object]) -> int:
    """Collects garbage at fixed rows: left to itself, the collector frees cycles at random times."""
    n = 0
    for n, _ in enumerate(table, 1):
        if n % 250 == 0:
            gc.collect()
    return n


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.usefixtures("within_test_transaction")
def test_ten_thousand_rows_are_exported_in_bounded_memory(tmp_path: Path) -> None:
    job = large_job(2_500, n_candidates=4)
    for format in ("xlsx", "mztab"):
        peaks: list[int] = []

        def note_peak(peaks: list[int] = peaks) -> None:
            peaks.append(tracemalloc.get_traced_memory()[1])
            gc.collect()
            tracemalloc.reset_peak()

        export = Export(job=job, requested_by=job.submitted_by, format=format, top=4)
        tracemalloc.start()
        n_rows = WRITERS[format].write(contents_of(export, note_peak), tmp_path / format)
        tracemalloc.stop()
        assert n_rows == 10_000
        assert len(peaks) == 10  # rounds of 250 features
        assert max(peaks[7:]) < 1.5 * max(peaks[1:4]), format


def large_job(n_spectra: int = N_SPECTRA, n_candidates: int = 1) -> Job:
    """All spectra annotated, written straight into the tables."""
    first = make_spectrum()
    version = make_library_version()
    job = make_job(spectra=[first], library_version=version)
    fields = {
        field.attname: getattr(first, field.attname)
        for field in Spectrum._meta.concrete_fields
        if field.attname not in ("id", "source_index")
    }
    spectra = Spectrum.objects.bulk_create(
        [Spectrum(**fields, source_index=number) for number in range(10_000, 10_000 + n_spectra - 1)],
        batch_size=2000,
    )
    features = Feature.objects.bulk_create(
        [
            Feature(
                upload=first.upload,
                project=first.project,
                number=spectrum.source_index,
                representative=spectrum,
            )
            for spectrum in spectra
        ],
        batch_size=2000,
    )
    JobItem.objects.bulk_create(
        [
            JobItem(job=job, feature=feature, spectrum=spectrum, position=position, state=JobItem.State.DONE)
            for position, (feature, spectrum) in enumerate(zip(features, spectra, strict=True), 1)
        ],
        batch_size=5000,
    )
    entry = version.entries.first()
    assert entry is not None
    values = {
        "adduct": "[M+H]+",
        "neutral_mass": 180.0423,
        "n_in_window": 1,
        "n_candidates": 1,
        "code_version": "0.1.0",
        "rdkit_version": "2026.9.1",
        "torch_version": "2.13.0",
        "preprocessing_version": "1",
        "device": "cpu",
        "worker": "test",
        "attempt": 1,
    }
    annotations = Annotation.objects.bulk_create(
        [Annotation(item=item, job=job, spectrum_id=item.spectrum_id, **values) for item in job.items.all()],
        batch_size=2000,
    )
    scores = {"mass_error_ppm": 0.5, "embedding_similarity": 0.8, "generated_similarity": 0.9}
    Candidate.objects.bulk_create(
        [
            Candidate(
                annotation=annotation, rank=rank, retrieval_rank=rank, molecule_id=entry.molecule_id, **scores
            )
            for annotation in annotations
            for rank in range(1, n_candidates + 1)
        ],
        batch_size=5000,
    )
    return job
