"""The export of a large job needs no more memory than that of a small one."""

from __future__ import annotations

import gc
import resource
import tracemalloc
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import pytest

from annotation.exports import contents
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
@pytest.mark.timeout(900)
@pytest.mark.django_db
@pytest.mark.usefixtures("within_test_transaction")
def test_ten_thousand_rows_are_exported_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the memory of the process: tracing each allocation of 650,000 cells would take minutes."""
    monkeypatch.setattr(contents, "FEATURES_PER_ROUND", 50)
    job = large_job(500, n_candidates=20)
    for format in ("xlsx", "mztab"):
        used: list[int] = []

        def note(used: list[int] = used) -> None:
            gc.collect()
            used.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())

        export = Export(job=job, requested_by=job.submitted_by, format=format, top=20)
        assert WRITERS[format].write(contents.contents_of(export, note), tmp_path / format) == 10_000
        assert len(used) == 10
        # The cells of the table alone would be more than 60 MB.
        assert max(used[3:]) - used[2] < 25e6, (format, used)


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
