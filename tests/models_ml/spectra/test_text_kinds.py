"""Charges, energies, levels, deprecated records, ends of files, and the formats of MS-DIAL and SIRIUS."""

from __future__ import annotations

from pathlib import Path

import pytest

from models_ml.spectra.features import ENERGY_EV, read_energy
from models_ml.spectra.formats import detect_format
from tests.models_ml.spectra.builders import mgf_block, mzml_document, mzml_spectrum, read_all


def write(tmp_path: Path, data: bytes | str) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("text", "charge"),
    [
        ("-1-", -1),
        ("1.0", 1),
        ("2.0", 2),
        ("(1+)", 1),
        ("(2-)", -2),
        ("+2+", 2),
        ("++", 2),
        ("-1.0", -1),
        ("−1", -1),
    ],
)
def test_spellings_of_charges(tmp_path: Path, text: str, charge: int) -> None:
    [spectrum], issues, _ = read_all(write(tmp_path, mgf_block(CHARGE=text)))
    assert (spectrum.charge, issues) == (charge, [])


@pytest.mark.parametrize("text", ["+1-", "1.5", "2+ and 3+", "one"])
def test_other_charges_are_ignored_with_a_message(tmp_path: Path, text: str) -> None:
    [spectrum], [issue], _ = read_all(write(tmp_path, mgf_block(CHARGE=text)))
    assert (spectrum.charge, issue.code) == (None, "unknown_charge")


@pytest.mark.parametrize(
    ("text", "ev"),
    [
        ("NCE=35% 22eV", 22.0),
        ("NCE=35% 22.5 eV", 22.5),
        ("HCD (NCE 20-30-40%)", None),
        ("35% 22 V", None),
        ("20 eV 40 eV", None),
    ],
)
def test_both_energies_of_nist_are_kept(tmp_path: Path, text: str, ev: float | None) -> None:
    [spectrum], _, _ = read_all(write(tmp_path, mgf_block(COLLISION_ENERGY=text)))
    assert (spectrum.collision_energy, spectrum.collision_energy_ev) == (text, ev)
    if ev is not None:
        assert read_energy(text, ev) == (ev / 100, ENERGY_EV)


@pytest.mark.parametrize("level", ["-1", "0"])
def test_a_level_below_1_is_named(tmp_path: Path, level: str) -> None:
    for text in (mzml_document(mzml_spectrum(level=level)), mgf_block(MSLEVEL=level)):
        spectra, [issue], _ = read_all(write(tmp_path, text))
        assert (spectra, issue.severity, issue.code) == ([], "rejected", "bad_ms_level")
        assert f"The MS level reads {level}" in issue.reason


def test_a_deprecated_record_is_skipped_with_its_reason(tmp_path: Path) -> None:
    text = (
        "ACCESSION: X-1\nDEPRECATED: 2020-01-01 wrong compound\nMS$FOCUSED_ION: PRECURSOR_M/Z 180.1\n"
        "PK$NUM_PEAK: 1\nPK$PEAK: m/z int. rel.int.\n  71.05 10 999\n//\n"
    )
    spectra, [issue], report = read_all(write(tmp_path, text))
    assert (spectra, issue.severity, issue.code, report.skipped) == ([], "skipped", "deprecated", 1)
    assert "wrong compound" in issue.reason


def test_a_peak_list_as_precursor_of_massbank_is_refused(tmp_path: Path) -> None:
    text = (
        "ACCESSION: X-1\nMS$FOCUSED_ION: PRECURSOR_M/Z 233.1/145.2\nPK$NUM_PEAK: 1\n"
        "PK$PEAK: m/z int. rel.int.\n  71.05 10 999\n//\n"
    )
    [issue] = read_all(write(tmp_path, text))[1]
    assert (issue.severity, issue.code) == ("rejected", "several_precursors")


def test_trailing_nul_bytes_are_no_binary_file(tmp_path: Path) -> None:
    for text in (
        mgf_block(),
        '[{"precursor_mz": 165.05, "peaks": [[59.0, 1.0]]}]',
        mzml_document(mzml_spectrum()),
    ):
        spectra, _, _ = read_all(write(tmp_path, text.encode() + b"\0" * 4096))
        assert len(spectra) == 1


def test_text_after_a_document_without_spectra_is_no_reason_to_be_content(tmp_path: Path) -> None:
    _, issues, _ = read_all(write(tmp_path, mzml_document() + "<index/>"))
    assert [issue.code for issue in issues] == ["trailing_bytes", "no_spectra"]
    assert not any("No action needed" in issue.remedy for issue in issues)
    _, [issue], _ = read_all(write(tmp_path, mzml_document(mzml_spectrum()) + "<index/>"))
    assert "No action needed" in issue.remedy


def test_ms_dial_mat(tmp_path: Path) -> None:
    text = (
        "NAME: Unknown\nSCANNUMBER: 120\nRETENTIONTIME: 2.5\nPRECURSORMZ: 281.2\nPRECURSORTYPE: [M+H]+\n"
        "IONMODE: Positive\nMSTYPE: MS1\nNum Peaks: 2\n281.2 1000\n282.2 120\n"
        "MSTYPE: MS2\nNum Peaks: 2\n71.05 10\n89.06 88\n\n"
    )
    [spectrum], [skipped], _ = read_all(write(tmp_path, text))
    assert (spectrum.precursor_mz, spectrum.adduct, spectrum.retention_time_s) == (281.2, "[M+H]+", 150.0)
    assert spectrum.mz.tolist() == [71.05, 89.06]
    assert (skipped.severity, skipped.code) == ("skipped", "not_ms2")


SIRIUS = """>compound Bicuculline
>formula C20H17NO6
>parentmass 368.1128
>ionization [M+H]+
>ms1
368.1128 100
369.1162 22

>collision 35
71.05 10
89.06 88

>ms2
307.1 5
>compound Other
>parentmass 281.2
>ms2
71.05 1
"""


def test_sirius_ms(tmp_path: Path) -> None:
    path = write(tmp_path, SIRIUS)
    assert detect_format(path) == "sirius"
    spectra, issues, report = read_all(path)
    assert (report.found, report.usable, report.skipped) == (4, 3, 1)
    assert [issue.code for issue in issues] == ["not_ms2"]
    first, second, other = spectra
    assert (first.title, first.precursor_mz, first.adduct) == ("Bicuculline", 368.1128, "[M+H]+")
    assert (first.formula, first.collision_energy, first.mz.tolist()) == ("C20H17NO6", "35", [71.05, 89.06])
    assert (second.collision_energy, second.mz.tolist()) == ("", [307.1])
    assert (other.title, other.precursor_mz, other.adduct) == ("Other", 281.2, None)


def test_msp_headers_without_a_blank_are_read(tmp_path: Path) -> None:
    [spectrum], _, _ = read_all(write(tmp_path, "NAME:x\nPRECURSORMZ:281.2\nNum Peaks:1\n71.05 10\n"))
    assert spectrum.precursor_mz == 281.2
