"""Interpretation of the fields of a record: signs, units, empty values, contradictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from models_ml.spectra.formats import SpectrumIssue
from models_ml.spectra.spectrum import Spectrum
from tests.models_ml.spectra.builders import mgf_block, read_all


def read_single(tmp_path: Path, **fields: str) -> tuple[Spectrum, list[SpectrumIssue]]:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(**fields), encoding="utf-8")
    [spectrum], issues, _ = read_all(path)
    return spectrum, issues


@pytest.mark.parametrize(
    ("charge", "ion_mode", "expected"),
    [
        ("2+", "absent", 2),
        ("2-", "absent", -2),
        ("-1", "absent", -1),
        ("+1", "absent", 1),
        ("1", "absent", 1),
        ("1", "negative", -1),
        ("1", "Positive", 1),
        ("0", "positive", None),
        ("0", "absent", None),
        ("n/a", "absent", None),
        ("absent", "absent", None),
        ("1-", "N", -1),
    ],
)
def test_charge(tmp_path: Path, charge: str, ion_mode: str, expected: int | None) -> None:
    spectrum, issues = read_single(tmp_path, CHARGE=charge, IONMODE=ion_mode)
    assert spectrum.charge == expected
    assert issues == []


def test_several_charges_are_ignored_with_an_issue(tmp_path: Path) -> None:
    spectrum, [issue] = read_single(tmp_path, CHARGE="2+ and 3+")
    assert spectrum.charge is None
    assert (issue.severity, issue.code) == ("repaired", "unknown_charge")


def test_the_charge_in_pepmass_counts_if_there_is_no_other(tmp_path: Path) -> None:
    assert read_single(tmp_path, PEPMASS="400.1 1e5 2+", CHARGE="absent")[0].charge == 2
    assert read_single(tmp_path, PEPMASS="400.1 1e5 2+", CHARGE="3+")[0].charge == 3


def test_adduct_gives_charge_and_ion_mode(tmp_path: Path) -> None:
    spectrum, issues = read_single(tmp_path, ADDUCT="M-2H2-", CHARGE="absent")
    assert (spectrum.adduct, spectrum.charge, spectrum.ion_mode) == ("[M-2H]2-", -2, "negative")
    assert issues == []


def test_an_unknown_adduct_is_reported_and_not_assumed_to_be_protonated(tmp_path: Path) -> None:
    spectrum, [issue] = read_single(tmp_path, ADDUCT="[M+Xy]+")
    assert spectrum.adduct is None
    assert (issue.severity, issue.code) == ("repaired", "unknown_adduct")
    assert "[M+Xy]+" in issue.reason


def test_a_missing_adduct_stays_none(tmp_path: Path) -> None:
    spectrum, issues = read_single(tmp_path, IONMODE="positive")
    assert spectrum.adduct is None
    assert issues == []


@pytest.mark.parametrize(
    ("fields", "adduct", "charge", "ion_mode"),
    [
        ({"ADDUCT": "[M+H]+", "IONMODE": "negative"}, "[M+H]+", 1, "positive"),
        ({"ADDUCT": "[M-H]-", "CHARGE": "1+"}, "[M-H]-", -1, "negative"),
        ({"ADDUCT": "[M+2H]2+", "CHARGE": "1+"}, "[M+2H]2+", 2, "positive"),
        ({"CHARGE": "1+", "IONMODE": "negative"}, None, -1, "negative"),
    ],
)
def test_contradictions_are_reported(
    tmp_path: Path, fields: dict[str, str], adduct: str | None, charge: int, ion_mode: str
) -> None:
    spectrum, [issue] = read_single(tmp_path, **fields)
    assert (spectrum.adduct, spectrum.charge, spectrum.ion_mode) == (adduct, charge, ion_mode)
    assert (issue.severity, issue.code, issue.index) == ("repaired", "contradiction", 0)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"RTINSECONDS": "115.83"}, 115.83),
        ({"RT": "2 min"}, 120.0),
        ({"RETENTION_TIME": "30.5 sec"}, 30.5),
        ({"RETENTION_TIME": "5.3"}, None),
        ({"RTINSECONDS": "-1"}, None),
        ({"RTINSECONDS": "n/a"}, None),
        ({}, None),
    ],
)
def test_retention_time_needs_its_unit(tmp_path: Path, fields: dict[str, str], seconds: float | None) -> None:
    assert read_single(tmp_path, **fields)[0].retention_time_s == seconds


@pytest.mark.parametrize(
    ("text", "ev"),
    [
        ("30 eV", 30.0),
        ("30eV", 30.0),
        ("HCD 35.5 eV", 35.5),
        ("35% (nominal)", None),
        ("35(NCE)", None),
        ("15-30 eV ramp", None),
        ("20, 30, 40 eV", None),
        ("40", None),
        ("30 V", None),
        ("35 NCE", None),
    ],
)
def test_collision_energy_is_in_ev_only_if_stated(tmp_path: Path, text: str, ev: float | None) -> None:
    spectrum, _ = read_single(tmp_path, COLLISION_ENERGY=text)
    assert spectrum.collision_energy == text
    assert spectrum.collision_energy_ev == ev


@pytest.mark.parametrize(
    "fields",
    [
        {"MSLEVEL": "1"},
        {"MS_LEVEL": "3"},
        {"MSTYPE": "MS"},
        {"SPECTYPE": "CORRELATED MS"},
        {"msLevel": "MS1"},
    ],
)
def test_other_levels_are_skipped(tmp_path: Path, fields: dict[str, str]) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(**fields))
    spectra, [issue], report = read_all(path)
    assert spectra == []
    assert (issue.severity, issue.code) == ("skipped", "not_ms2")
    assert (report.found, report.ms2, report.skipped) == (1, 0, 1)


@pytest.mark.parametrize("value", ["absent", "0", "0.0", "nan", "N/A", "", "-5", "inf", "abc", "1e9"])
def test_a_missing_or_bad_precursor_rejects_the_spectrum(tmp_path: Path, value: str) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(PEPMASS=value))
    spectra, [issue], _ = read_all(path)
    assert spectra == []
    assert issue.severity == "rejected"
    assert issue.code in ("no_precursor", "bad_precursor")
    assert "PEPMASS" in issue.remedy
    assert issue.title == "one"


def test_metadata_is_kept_as_written_and_the_identifier_is_found(tmp_path: Path) -> None:
    spectrum, _ = read_single(
        tmp_path, EXTERNAL_ID="LIMS-7", FILENAME="a=b.mzXML", LICENSE="CC0", SMILES="N/A"
    )
    assert spectrum.external_id == "LIMS-7"
    assert spectrum.license == "CC0"
    assert spectrum.smiles == ""
    assert spectrum.metadata["FILENAME"] == "a=b.mzXML"
    assert spectrum.metadata["SMILES"] == "N/A"
