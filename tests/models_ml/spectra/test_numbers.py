"""Numbers of text formats: decimal commas and thousands separators are read, or refused, but never cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_ml.spectra.formats.numbers import AmbiguousNumber, NotANumber, decimal_mark_of, read_number
from tests.models_ml.spectra.builders import mgf_block, read_all


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("281,2", 281.2),
        ("281,2013306", 281.2013306),
        ("1281,123", 1281.123),
        ("0,123", 0.123),
        ("1,281.2013", 1281.2013),
        ("1.234,5", 1234.5),
        ("1,234,567", 1234567.0),
        ("1'234.5", 1234.5),
        ("1\u00a0234,5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("1,5e5", 150000.0),
    ],
)
def test_unambiguous_numbers_are_read_with_a_repair(text: str, number: float) -> None:
    assert read_number(text) == (number, True)


@pytest.mark.parametrize("text", ["281,123", "1,234", "12,345", "-1,234"])
def test_a_comma_before_three_digits_has_two_readings(text: str) -> None:
    with pytest.raises(AmbiguousNumber) as caught:
        read_number(text)
    assert text.replace(",", ".") in str(caught.value)
    assert text.replace(",", "") in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "abc", "1_0", "0x10", "281.2,1000", "1,2,3", "12,34.5", "233.1/145.2", "1 2"]
)
def test_other_text_is_no_number(text: str) -> None:
    with pytest.raises(NotANumber):
        read_number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_plain_numbers_are_read_as_python_reads_them(number: float) -> None:
    assert read_number(repr(number)) == (number, False)


def test_a_list_shows_its_decimal_mark() -> None:
    assert decimal_mark_of(["71,0491", "1,234"]) == ","
    assert decimal_mark_of(["71.0491", "1,234"]) == "."
    assert decimal_mark_of(["71,0491", "1.5"]) == ""
    assert decimal_mark_of(["71,049", "1,234"]) == ""


@pytest.mark.parametrize(
    ("pepmass", "precursor"),
    [
        ("281,2", 281.2),
        ("281,2 1000", 281.2),
        ("281,2 5321,7", 281.2),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
        ("1 234.5 1000", 1234.5),
    ],
)
def test_the_precursor_is_read_whole(tmp_path: Path, pepmass: str, precursor: float) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(PEPMASS=pepmass))
    [spectrum], [issue], _ = read_all(path)
    assert spectrum.precursor_mz == precursor
    assert (issue.severity, issue.code) == ("repaired", "number_format")
    assert pepmass in issue.reason


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"PEPMASS": "281,123"}, "ambiguous_number", ("281.123", "281123")),
        ({"PEPMASS": "281.2\nPEPMASS=303.1"}, "several_precursors", ("281.2", "303.1")),
        ({"PEPMASS": "281.2", "PRECURSOR_MZ": "303.1"}, "several_precursors", ("281.2", "303.1")),
        ({"PEPMASS": "absent", "PRECURSOR_MZ": "281.2 303.1"}, "several_precursors", ("281.2", "303.1")),
        ({"PEPMASS": "absent", "PRECURSORMZ": "281.2, 303.1"}, "several_precursors", ("281.2", "303.1")),
        ({"PEPMASS": "absent", "PRECURSORMZ": "281.2;303.1"}, "several_precursors", ("281.2", "303.1")),
        ({"PEPMASS": "233.1/145.2"}, "several_precursors", ("233.1", "145.2")),
        ({"PEPMASS": "281.2,1000"}, "bad_precursor", ("281.2,1000",)),
    ],
)
def test_several_precursors_are_refused_by_name(
    tmp_path: Path, fields: dict[str, str], code: str, names: tuple[str, ...]
) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(**fields) + mgf_block())
    spectra, [issue], _ = read_all(path)
    assert len(spectra) == 1
    assert (issue.severity, issue.code) == ("rejected", code)
    assert all(name in issue.reason for name in names)


@pytest.mark.parametrize(
    "fields",
    [
        {"PEPMASS": "165.0546\nPEPMASS=165.0546"},
        {"PEPMASS": "165.0546 100", "PRECURSOR_MZ": "165.05"},
        {"PEPMASS": "0", "PRECURSOR_MZ": "165.0546"},
        {"PEPMASS": "absent", "PRECURSORMZ": "165.0546 m/z"},
    ],
)
def test_equal_repeats_are_one_precursor(tmp_path: Path, fields: dict[str, str]) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(**fields))
    [spectrum], issues, _ = read_all(path)
    assert spectrum.precursor_mz == 165.0546
    assert issues == []


@pytest.mark.parametrize(
    ("peaks", "mz", "intensity"),
    [
        (("71,0491 120,5", "89,06 880"), [71.0491, 89.06], [120.5, 880]),
        (("71,0491 1,234", "89,06 880"), [71.0491, 89.06], [1.234, 880]),  # the list has decimal commas
        (("71.0491 1,234", "89.06 880"), [71.0491, 89.06], [1234, 880]),  # the list has decimal points
        (("1,071.0491 1,234.5", "89.06 880"), [1071.0491, 89.06], [1234.5, 880]),
    ],
)
def test_peaks_share_one_notation(
    tmp_path: Path, peaks: tuple[str, ...], mz: list[float], intensity: list[float]
) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(*peaks))
    [spectrum], [issue], _ = read_all(path)
    assert (spectrum.mz.tolist(), spectrum.intensity.tolist()) == (mz, intensity)
    assert issue.code == "number_format"


@pytest.mark.parametrize("peaks", [("71,049 880",), ("71,049 1,234",), ("1 234.5 100",), ("71,0491 1.234",)])
def test_ambiguous_peaks_are_refused(tmp_path: Path, peaks: tuple[str, ...]) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(*peaks))
    _, [issue], _ = read_all(path)
    assert (issue.severity, issue.code) == ("rejected", "ambiguous_number")


@pytest.mark.parametrize(
    "line",
    [
        "(55,05 102) (104,11 100)",
        "55,05 102; 104,11 100;",
        "55,05:102 104,11:100",
        "(55,05;102)(104,11;100)",
    ],
)
def test_peak_lists_of_msp_with_decimal_commas(tmp_path: Path, line: str) -> None:
    path = tmp_path / "one.msp"
    path.write_text(f"NAME: G9\nPRECURSORMZ: 180,1\nNum Peaks: 2\n{line}\n")
    spectra, issues, _ = read_all(path)
    if line.startswith("(55,05;"):  # the brace has no pair that can be read
        assert issues[-1].severity == "rejected"
        return
    assert (spectra[0].precursor_mz, spectra[0].mz.tolist()) == (180.1, [55.05, 104.11])
    assert {issue.code for issue in issues} == {"number_format"}


def test_peak_lists_of_msp_with_commas_between_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "one.msp"
    path.write_text("NAME: G9\nPRECURSORMZ: 180.1\nNum Peaks: 2\n(55.05,102)(104,100)\n")
    [spectrum], issues, _ = read_all(path)
    assert (spectrum.mz.tolist(), spectrum.intensity.tolist()) == ([55.05, 104], [102, 100])
    assert issues == []
