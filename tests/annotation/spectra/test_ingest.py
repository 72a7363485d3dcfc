"""Uploads: peaks stored unchanged, a report of the file, and refusals that affect nothing else."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation.models import Project, Spectrum, Upload
from annotation.spectra.ingest import preflight, store_upload
from annotation.spectra.records import to_exchange
from tests.annotation.builders import make_project, make_user

pytestmark = pytest.mark.django_db

GOOD = """BEGIN IONS
TITLE=first
PEPMASS=181.0495
CHARGE=1+
ADDUCT=M+H
121.02840000000001 100
139.0390 40.5
END IONS
"""
WITHOUT_PEAKS = "BEGIN IONS\nTITLE=empty\nPEPMASS=200.1\nEND IONS\n"


@pytest.fixture
def project() -> Project:
    return make_project()


def upload(project: Project, content: str | bytes, name: str = "batch.mgf") -> Upload:
    data = content.encode() if isinstance(content, str) else content
    return store_upload(project, make_user(), SimpleUploadedFile(name, data), name)


def test_peaks_are_stored_unchanged(project: Project) -> None:
    stored = upload(project, GOOD)

    assert (stored.state, stored.refusal, stored.format) == ("ready", "", "mgf")
    assert (stored.n_found, stored.n_usable, stored.n_rejected) == (1, 1, 0)
    assert stored.size_bytes == len(GOOD)
    spectrum = stored.spectra.get()
    assert spectrum.mz.tolist() == [121.02840000000001, 139.0390]
    assert spectrum.intensity.dtype == np.float64
    assert (spectrum.title, spectrum.adduct, spectrum.precursor_mz) == ("first", "[M+H]+", 181.0495)
    assert spectrum.splash.startswith("splash10-")
    with stored.file.open("rb") as kept:
        assert kept.read() == GOOD.encode()


def test_a_bad_spectrum_is_reported_and_the_others_stored(project: Project) -> None:
    stored = upload(project, GOOD + WITHOUT_PEAKS + GOOD)

    assert (stored.n_found, stored.n_usable, stored.n_rejected) == (3, 2, 1)
    assert list(stored.spectra.values_list("source_index", flat=True)) == [0, 2]
    issue = stored.issues.get(severity="rejected")
    assert issue.source_index == 1
    assert issue.reason
    assert issue.position


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x01\x02\x03" * 500, b"just some words\n", gzip.compress(b"nothing to see")],
    ids=["empty", "binary", "prose", "gz of prose"],
)
def test_a_file_without_spectra_is_refused_with_the_reason(project: Project, content: bytes) -> None:
    before = upload(project, GOOD)

    stored = upload(project, content)

    assert stored.state == "refused"
    assert len(stored.refusal) > 20
    assert stored.spectra.count() == 0
    assert before.spectra.count() == 1


def test_of_a_truncated_file_the_complete_spectra_are_stored(project: Project) -> None:
    whole = gzip.compress((GOOD * 2000).encode())

    stored = upload(project, whole[: len(whole) // 2], "batch.mgf.gz")

    assert stored.state == "ready"
    assert 0 < stored.n_usable < 2000
    assert stored.issues.filter(source_index=-1).exists()


def test_a_file_above_the_size_limit_is_refused_without_reading(project: Project, settings: object) -> None:
    settings.GLMR_MAX_UPLOAD_BYTES = 10  # type: ignore[attr-defined]

    stored = upload(project, GOOD)

    assert stored.state == "refused"
    assert "GLMR_MAX_UPLOAD_BYTES" in stored.refusal
    assert not stored.file


def test_a_refusal_during_reading_stores_no_spectrum(project: Project, settings: object) -> None:
    settings.GLMR_MAX_SPECTRA_PER_UPLOAD = 2  # type: ignore[attr-defined]

    stored = upload(project, GOOD * 3)

    assert (stored.state, stored.n_found, stored.spectra.count()) == ("refused", 0, 0)


def test_a_reader_that_crashes_refuses_only_its_file(project: Project, settings: object) -> None:
    settings.GLMR_PARSE_MEMORY_BYTES = 1  # type: ignore[attr-defined]
    settings.GLMR_MAX_PEAKS_PER_SPECTRUM = 1_000_000  # type: ignore[attr-defined]
    # More peaks than the memory that a new process has reserved can hold.
    peaks = "".join(f"{100 + n / 1000:.3f} 1.5\n" for n in range(400_000))

    stored = upload(project, GOOD.replace("END IONS", f"{peaks}END IONS"))

    assert stored.state == "refused"
    assert "could not be read safely" in stored.refusal


def test_control_characters_are_removed_and_long_text_is_cut(project: Project) -> None:
    text = GOOD.replace("first", "a\x07b\x1b" + "x" * 400)

    title = upload(project, text).spectra.get().title

    assert title.startswith("a b x")
    assert len(title) == 300


def test_a_path_or_a_wrong_extension_in_the_file_name_is_harmless(project: Project) -> None:
    stored = upload(project, GOOD, "../../etc/passwd.docx")

    assert (stored.state, stored.file_name) == ("ready", "passwd.docx")
    assert "passwd" not in str(stored.file.name)


def test_preflight_stores_nothing_and_gives_the_same_counts(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "batch.mgf"
    path.write_text(GOOD + WITHOUT_PEAKS)

    report = preflight(path)

    assert (report.format, report.found, report.usable, report.rejected) == ("mgf", 2, 1, 1)
    assert report.issues[0].index == 1
    assert not Spectrum.objects.exists()
    assert preflight(SimpleUploadedFile("x", b"prose")).refusal


def test_real_spectra(project: Project, shared_data: Path) -> None:
    stored = store_upload(project, make_user(), shared_data / "massbank" / "val.mgf.gz", "val.mgf.gz")

    assert (stored.state, stored.n_rejected) == ("ready", 0)
    assert stored.spectra.count() == stored.n_found > 1000
    assert to_exchange(stored.spectra.earliest("pk")).smiles == ""  # the model never receives it
