"""Every real file in ../shared/data/formats is read with the right counts, or refused with a clear reason."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pyteomics import mgf as pyteomics_mgf
from pyteomics import mzxml as pyteomics_mzxml

from models_ml.spectra.formats import ReadReport, UnreadableFile, detect_format
from tests.models_ml.spectra.builders import read_all

pytestmark = pytest.mark.shared

# found, ms2, usable, repaired, rejected, skipped. The counts of mzML agree with pyteomics 5.0, and so do
# peaks and precursors. Rejected MSP records are GC-EI without a precursor, empty, or damaged on purpose.
# Repaired in minimona.msp: the formula H2O at m/z 189.16, another formula, a profile spectrum. Repaired in
# mzmine.msp: a record named "fake negative mode".
EXPECTED = {
    "mgf/GNPS.mgf": (1, 1, 1, 0, 0, 0),
    "mgf/laudanosine.mgf": (5, 4, 4, 0, 0, 1),
    "mgf/matchms_cleaned.mgf": (3, 3, 3, 0, 0, 0),
    "mgf/mzmine.mgf": (3, 3, 3, 0, 0, 0),
    "mgf/pesticides.mgf": (76, 76, 76, 0, 0, 0),
    "mgf/spectra.mgf": (3, 3, 3, 0, 0, 0),
    "mgf/spectra2.mgf": (4, 4, 4, 0, 0, 0),
    "mgf/testdata.mgf": (30, 30, 30, 2, 0, 0),
    "massspecgym/example_5_spectra.mgf": (5, 5, 5, 0, 0, 0),
    "msp/MSMS-Neg-Vaniya-Fiehn_Natural_Products_test.msp": (1, 1, 1, 0, 0, 0),
    "msp/comments_with_quotes.msp": (1, 1, 0, 0, 1, 0),
    "msp/fraghub.msp": (1, 1, 1, 0, 0, 0),
    "msp/golm.msp": (3, 3, 0, 0, 3, 0),
    "msp/massbank_five_spectra.msp": (5, 5, 5, 1, 0, 0),  # the average mass of ADP as exact mass
    "msp/minimona.msp": (30, 30, 29, 3, 1, 0),
    "msp/msdial_pos.msp": (6, 6, 5, 0, 1, 0),
    "msp/multiline_semicolon.msp": (2, 2, 0, 0, 2, 0),
    "msp/mzmine.msp": (4, 4, 2, 1, 2, 0),
    "msp/riken.msp": (3, 3, 1, 0, 2, 0),
    "msp/riken_style_five_spectra.msp": (5, 5, 5, 0, 0, 0),
    "msp/spectrum2.msp": (2, 1, 1, 0, 0, 1),
    "mzml/AssayGeneratorMetabo_input.mzML": (259, 213, 213, 213, 0, 46),
    "mzml/GNPS00001_D2_p.mzML": (103, 65, 65, 0, 0, 38),
    "mzml/example.mzML.gz": (11, 0, 0, 0, 0, 11),
    "mzml/example_no_obo_version.mzML": (11, 0, 0, 0, 0, 11),
    "mzml/mini_numpress.chrom.mzML": (0, 0, 0, 0, 0, 0),
    "mzml/no_scan_window_limits.mzML": (1, 0, 0, 0, 0, 1),
    "mzml/sciex_no_mz_range_cv.mzML": (2, 1, 1, 0, 0, 1),
    "mzml/testdata.mzXML": (5, 1, 1, 0, 0, 4),
    "mzml/testdata.mzml": (12, 10, 10, 0, 0, 2),
    "mzml/tiny.pwiz.1.1.mzML": (4, 1, 0, 0, 1, 3),
}
REFUSED = {
    "massspecgym/example_5_spectra_candidates.json": 'no list "spectra"',
    "massspecgym/example_5_spectra_split.tsv": "tab-separated table",
    "mzspeclib/Hydrogen_chloride.mzspeclib": "mzSpecLib",
    "mztab/MTBLS263.mztab": "mzTab",
    "mztab/lipidomics-example.mzTab": "mzTab",
    "mztab/openms-MzTabMFile_output_1.mztab": "mzTab",
    "sdf/MetFrag_Candidates.sdf": "SDF",
    "sdf/odd_drawings.sdf": "SDF",
    "sdf/standardiser_examples.in.sdf": "SDF",
    "splash/test-set-v1-splashed-400.csv": "comma-separated table",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_counts(shared_data: Path, name: str) -> None:
    _, _, report = read_all(shared_data / "formats" / name)
    counts = (report.found, report.ms2, report.usable, report.repaired, report.rejected, report.skipped)
    assert counts == EXPECTED[name]


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(shared_data: Path, name: str) -> None:
    with pytest.raises(UnreadableFile, match=REFUSED[name]) as caught:
        read_all(shared_data / "formats" / name)
    assert caught.value.remedy


def test_every_file_is_tested(shared_data: Path) -> None:
    folder = shared_data / "formats"
    known = {*EXPECTED, *REFUSED}
    others = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - known
    # Other tests cover the files in massbank and reported.
    assert {name.partition("/")[0] for name in others} == {"massbank", "reported"}


def test_massbank_records(shared_data: Path) -> None:
    usable = rejected = skipped = 0
    for path in sorted((shared_data / "formats/massbank").iterdir()):
        assert detect_format(path) == "massbank"
        spectra, issues, report = read_all(path)
        assert report.found == 1, path.name
        usable, rejected, skipped = (
            usable + report.usable,
            rejected + report.rejected,
            skipped + report.skipped,
        )
        text = path.read_text(encoding="utf-8")
        if report.usable:
            assert spectra[0].n_peaks == int(re.findall(r"PK\$NUM_PEAK: (\d+)", text)[0])
            assert spectra[0].external_id == path.stem
            assert spectra[0].license
        elif report.rejected:  # all for the same reason
            assert issues[-1].code == "no_precursor"
            assert "PRECURSOR_M/Z" not in text
    # 6 of the skipped records are deprecated: their authors advise against their use.
    assert (usable, rejected, skipped) == (454, 41, 27)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith(".mgf")])
def test_mgf_peaks_agree_with_pyteomics(shared_data: Path, name: str) -> None:
    path = shared_data / "formats" / name
    spectra, _, report = read_all(path)
    assert report.found == len(re.findall(r"(?m)^BEGIN IONS", path.read_text(encoding="utf-8")))
    expected = [entry for entry in pyteomics_mgf.MGF(str(path)) if entry["params"].get("mslevel", "2") != "1"]
    for spectrum, entry in zip(spectra, expected, strict=True):
        np.testing.assert_array_equal(spectrum.mz, entry["m/z array"])
        np.testing.assert_array_equal(spectrum.intensity, entry["intensity array"])


def test_mzxml_peaks_agree_with_pyteomics(shared_data: Path) -> None:
    path = shared_data / "formats/mzml/testdata.mzXML"
    [spectrum] = read_all(path)[0]
    [expected] = [scan for scan in pyteomics_mzxml.MzXML(str(path)) if scan["msLevel"] == 2]
    np.testing.assert_array_equal(spectrum.mz, expected["m/z array"])
    np.testing.assert_array_equal(spectrum.intensity, expected["intensity array"])
    assert spectrum.precursor_mz == expected["precursorMz"][0]["precursorMz"]
    assert spectrum.ion_mode == "negative"


def test_msp_record_counts(shared_data: Path) -> None:
    for path in sorted((shared_data / "formats/msp").iterdir()):
        n_records = len(re.findall(r"(?im)^num peaks:", path.read_text(encoding="utf-8")))
        assert read_all(path)[2].found == n_records, path.name


def test_public_test_spectra(shared_data: Path) -> None:
    _, issues, report = read_all(shared_data / "massbank/test.mgf.gz")
    # 59 spectra of one contributor (RIKEN NPDepo, triple quadrupole) are profiles without a statement of it.
    assert report == ReadReport(found=7951, ms2=7951, usable=7951, repaired=59, rejected=0, skipped=0)
    assert {issue.code for issue in issues} == {"centroided"}
    assert all("RIKEN_NPDepo" in issue.title for issue in issues)
