"""Syntax of MGF, MSP and MassBank that the real files do not cover, and MGF that the server writes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models_ml.spectra.formats import detect_format
from models_ml.spectra.mgf_writer import write_mgf
from tests.models_ml.spectra.builders import PEAKS, make_spectrum, mgf_block, read_all


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.dat"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_mgf_fields_before_the_first_block_apply_to_blocks_without_them(tmp_path: Path) -> None:
    text = "CHARGE=2+\nCOM=run 7\n" + mgf_block(CHARGE="absent") + mgf_block(CHARGE="3+")
    spectra, issues, _ = read_all(write(tmp_path, text))
    assert [spectrum.charge for spectrum in spectra] == [2, 3]
    assert spectra[0].metadata["COM"] == "run 7"
    assert issues == []


def test_mgf_comments_blank_lines_third_columns_and_crlf(tmp_path: Path) -> None:
    text = "# written by hand\n" + mgf_block("100.5 1 1+", "; note", "", "200.25\t2e3\tannotated")
    [spectrum], _, _ = read_all(write(tmp_path, text.replace("\n", "\r\n")))
    assert spectrum.mz.tolist() == [100.5, 200.25]
    assert spectrum.intensity.tolist() == [1.0, 2000.0]


def test_raw_peaks_keep_the_file_order_and_zeros(tmp_path: Path) -> None:
    [spectrum], _, _ = read_all(write(tmp_path, mgf_block("300.1 5", "100.2 0", "200.3 7")))
    assert spectrum.mz.tolist() == [300.1, 100.2, 200.3]
    assert spectrum.intensity.tolist() == [5.0, 0.0, 7.0]
    assert spectrum.mz.dtype == np.float64


def test_position_is_the_line_of_the_block(tmp_path: Path) -> None:
    text = mgf_block() + mgf_block("100.0 -4") + mgf_block()
    spectra, [issue], report = read_all(write(tmp_path, text))
    assert len(spectra) == 2
    assert (issue.index, issue.position, issue.code) == (1, "line 10", "bad_peak")
    assert (report.found, report.usable, report.rejected) == (3, 2, 1)


MSP_HEAD = "NAME: x\nPRECURSORMZ: 165.0546\nPRECURSORTYPE: [M+H]+\nRETENTIONTIME: 2.5\n"


@pytest.mark.parametrize(
    "body",
    [
        "91.0542 12.5\n119.0491 100\n147.0441 33.25",
        '91.0542\t12.5\t"C7H7 ; 3"\n119.0491\t100\t"b 2"\n147.0441\t33.25\t""',
        "91.0542 12.5; 119.0491 100;\n147.0441 33.25;",
        "91.0542:12.5 119.0491:100\n147.0441:33.25",
        "91.0542 12.5 119.0491 100 147.0441 33.25",
        "(91.0542,12.5) (119.0491,100)\n(147.0441,33.25)",
        " 91.0542   12.5\n\t119.0491 100 fragment\n147.0441 33.25",
    ],
)
def test_msp_peaks_in_every_layout(tmp_path: Path, body: str) -> None:
    path = write(tmp_path, f"{MSP_HEAD}Num Peaks: 3\n{body}\n\n{MSP_HEAD}Num Peaks: 1\n50.5 1\n")
    spectra, issues, _ = read_all(path)
    assert detect_format(path) == "msp"
    assert list(zip(spectra[0].mz, spectra[0].intensity, strict=True)) == list(PEAKS)
    assert spectra[0].adduct == "[M+H]+"
    assert spectra[0].retention_time_s == 150.0
    assert len(spectra) == 2
    assert issues == []


def test_msp_records_need_no_blank_lines_between_them(tmp_path: Path) -> None:
    record = "Name: y\nPrecursorMZ: 100.1\nIon_mode: N\nNum Peaks: 2\n50.1 3\n60.2 4\n"
    spectra, issues, _ = read_all(write(tmp_path, record * 3))
    assert [spectrum.n_peaks for spectrum in spectra] == [2, 2, 2]
    assert spectra[0].ion_mode == "negative"
    assert issues == []


def test_msp_record_that_is_cut_off_or_has_no_peak_count_is_rejected(tmp_path: Path) -> None:
    text = f"NAME: cut\nPRECURSORMZ: 90\n\n{MSP_HEAD}Num Peaks: 1\n50.5 1\n\n{MSP_HEAD}Num Peaks: 9\n50.5 1\n"
    spectra, issues, report = read_all(write(tmp_path, text))
    assert len(spectra) == 1
    assert [issue.code for issue in issues] == ["unfinished_record", "unfinished_record"]
    assert report.found == 3


def test_a_wrong_peak_count_is_reported(tmp_path: Path) -> None:
    text = f"{MSP_HEAD}Num Peaks: 5\n50.5 1\n60.5 2\n\n{MSP_HEAD}Num Peaks: 1\n50.5 1\n"
    spectra, [issue], report = read_all(write(tmp_path, text))
    assert len(spectra) == 2
    assert (issue.severity, issue.code) == ("repaired", "peak_count")
    assert (report.usable, report.repaired) == (2, 1)


MASSBANK = """ACCESSION: MSBNK-Us-{name}
RECORD_TITLE: p-Coumaric acid; LC-ESI-QFT; MS2
LICENSE: CC0
CH$NAME: p-Coumaric acid
CH$NAME: 4-Hydroxycinnamic acid
CH$SMILES: OC(=O)C=Cc1ccc(O)cc1
CH$LINK: INCHIKEY NGSWKAQJJWESNS-ZZXKWVIFSA-N
AC$MASS_SPECTROMETRY: MS_TYPE MS2
AC$MASS_SPECTROMETRY: ION_MODE POSITIVE
AC$MASS_SPECTROMETRY: COLLISION_ENERGY 30 eV
AC$CHROMATOGRAPHY: RETENTION_TIME 5.5 min
MS$FOCUSED_ION: PRECURSOR_M/Z 165.0546
MS$FOCUSED_ION: PRECURSOR_TYPE [M+H]+
PK$ANNOTATION: m/z tentative_formula
  91.0542 C7H7+
PK$NUM_PEAK: 3
PK$PEAK: m/z int. rel.int.
  91.0542 12.5 124
  119.0491 100 999
  147.0441 33.25 332
"""


def test_massbank_many_records_in_one_file(tmp_path: Path) -> None:
    text = "".join(MASSBANK.format(name=name) + "//\n" for name in ("A1", "A2"))
    spectra, issues, _ = read_all(write(tmp_path, text))
    assert [spectrum.external_id for spectrum in spectra] == ["MSBNK-Us-A1", "MSBNK-Us-A2"]
    assert issues == []
    first = spectra[0]
    assert list(zip(first.mz, first.intensity, strict=True)) == list(PEAKS)
    assert (first.adduct, first.charge, first.ion_mode, first.ms_level) == ("[M+H]+", 1, "positive", 2)
    assert (first.collision_energy_ev, first.retention_time_s, first.license) == (30.0, 330.0, "CC0")
    assert first.inchikey == "NGSWKAQJJWESNS-ZZXKWVIFSA-N"
    assert first.metadata["CH$NAME"] == "p-Coumaric acid\n4-Hydroxycinnamic acid"


def test_massbank_record_that_is_cut_off_is_rejected_with_its_accession(tmp_path: Path) -> None:
    text = MASSBANK.format(name="A1") + "//\n" + MASSBANK.format(name="A2").rpartition("  147")[0]
    spectra, [issue], _ = read_all(write(tmp_path, text))
    assert len(spectra) == 1
    assert issue.code == "unfinished_record"
    assert issue.position == "record MSBNK-Us-A2, line 22"


finite = st.floats(min_value=1e-3, max_value=1e5, allow_nan=False)
words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(finite, finite), min_size=1, max_size=19, unique_by=lambda peak: peak[0]),
    finite,
    words,
)
def test_written_mgf_is_read_back_unchanged(
    tmp_path: Path, peaks: list[tuple[float, float]], precursor: float, title: str
) -> None:
    original = make_spectrum(
        mz=np.array([mz for mz, _ in peaks]),
        intensity=np.array([height for _, height in peaks]),
        precursor_mz=precursor,
        title=f"t {title}".strip(),
        retention_time_s=12.5,
        collision_energy="30 eV",
    )
    stream = io.StringIO()
    assert write_mgf([original, original], stream) == 2
    [read_back, _], issues, _ = read_all(write(tmp_path, stream.getvalue()))
    assert issues == []
    np.testing.assert_array_equal(read_back.mz, original.mz)
    np.testing.assert_array_equal(read_back.intensity, original.intensity)
    for name in (
        "precursor_mz",
        "charge",
        "adduct",
        "ion_mode",
        "title",
        "retention_time_s",
        "collision_energy",
    ):
        assert getattr(read_back, name) == getattr(original, name), name
