"""What a record states is compared: isolation window, structure, adducts, and counts of peaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models_ml.spectra.formats import SpectrumIssue
from models_ml.spectra.formats.claimed_structure import formula_masses, inchi_masses, smiles_masses
from models_ml.spectra.spectrum import Spectrum
from tests.models_ml.spectra.builders import mgf_block, mzml_document, mzml_spectrum, read_all, term

BETAINE = "C[N+](C)(C)CC([O-])=O"  # 117.0790


def precursor(
    selected: tuple[str, ...], target: str = "", below: str = "", above: str = "", charge: str = "1"
) -> str:
    window = "".join(
        term(accession, name, value)
        for accession, name, value in (
            ("MS:1000827", "isolation window target m/z", target),
            ("MS:1000828", "isolation window lower offset", below),
            ("MS:1000829", "isolation window upper offset", above),
        )
        if value
    )
    ions = "".join(
        f"<selectedIon>{term('MS:1000744', 'selected ion m/z', mz)}"
        f"{term('MS:1000041', 'charge state', charge) if charge else ''}</selectedIon>"
        for mz in selected
    )
    return (
        f"<precursorList><precursor><isolationWindow>{window}</isolationWindow>"
        f"<selectedIonList>{ions}</selectedIonList></precursor></precursorList>"
    )


def read_mzml(tmp_path: Path, text: str) -> tuple[list[Spectrum], list[SpectrumIssue]]:
    path = tmp_path / "one.mzML"
    path.write_text(mzml_document(mzml_spectrum(precursor=text)))
    return read_all(path)[:2]


def read_mgf(tmp_path: Path, **fields: str) -> tuple[list[Spectrum], list[SpectrumIssue]]:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block(**fields))
    return read_all(path)[:2]


@pytest.mark.parametrize(
    ("selected", "target", "charge", "mz", "codes"),
    [
        ("362.1071", "362.1", "1", 362.1071, []),
        ("362.1071", "363.1101", "1", 362.1071, ["isolated_isotope"]),
        ("362.1071", "364.1138", "1", 362.1071, ["isolated_isotope"]),
        ("362.1071", "363.1105", "2", 362.1071, ["isolated_isotope"]),
        ("362.1071", "363.1101", "", 362.1071, ["isolated_isotope"]),
        ("362.1071", "364.5", "1", 364.5, ["outside_isolation_window"]),
        ("362.1071", "361.1037", "1", 361.1037, ["outside_isolation_window"]),
        ("362.1071", "500.2", "1", 500.2, ["outside_isolation_window"]),
        ("0", "362.1", "1", 362.1, ["isolation_target"]),
    ],
)
def test_selected_ion_and_isolation_window(
    tmp_path: Path, selected: str, target: str, charge: str, mz: float, codes: list[str]
) -> None:
    [spectrum], issues = read_mzml(tmp_path, precursor((selected,), target, "0.6", "0.6", charge))
    assert spectrum.precursor_mz == mz
    assert [issue.code for issue in issues] == codes
    assert spectrum.isolation_window == pytest.approx((float(target) - 0.6, float(target) + 0.6))


def test_a_window_of_no_width_is_not_stated(tmp_path: Path) -> None:
    [spectrum], issues = read_mzml(tmp_path, precursor(("362.1071",), "362.1", "0", "0"))
    assert spectrum.isolation_window is None
    assert issues == []


@pytest.mark.parametrize(("selected", "half", "rejected"), [(("625.0",), "5.1", True), ((), "12.5", True),
                                                           (("625.0", "700.0"), "575", True),
                                                           (("625.0",), "5", False)])  # fmt: skip
def test_a_wide_window_has_no_single_precursor(
    tmp_path: Path, selected: tuple[str, ...], half: str, rejected: bool
) -> None:
    spectra, issues = read_mzml(tmp_path, precursor(selected, "625.0", half, half))
    assert (spectra == []) == rejected
    assert [issue.code for issue in issues] == (["wide_isolation_window"] if rejected else [])


def test_several_selected_ions_are_refused_and_equal_ones_are_not(tmp_path: Path) -> None:
    spectra, [issue] = read_mzml(tmp_path, precursor(("362.1071", "363.5")))
    assert spectra == []
    assert (issue.severity, issue.code) == ("rejected", "several_precursors")
    assert "362.1071" in issue.reason
    [spectrum], issues = read_mzml(tmp_path, precursor(("362.1071", "362.1071")))
    assert (spectrum.precursor_mz, issues) == (362.1071, [])


def test_a_selected_ion_with_a_decimal_comma_is_not_replaced_by_the_target(tmp_path: Path) -> None:
    [spectrum], [issue] = read_mzml(tmp_path, precursor(("362,1071",), "362", "0.6", "0.6"))
    assert (spectrum.precursor_mz, issue.code) == (362.1071, "number_format")


MZXML = """<?xml version="1.0"?><mzXML><msRun><scan num="1" msLevel="2" peaksCount="1" {scan}>{precursors}
<peaks precision="32" byteOrder="network" contentType="m/z-int">QpYAAEDgAAA=</peaks></scan></msRun></mzXML>"""


@pytest.mark.parametrize(
    ("precursors", "codes"),
    [
        ('<precursorMz windowWideness="1.2">281.2</precursorMz>', []),
        ('<precursorMz windowWideness="25">281.2</precursorMz>', ["wide_isolation_window"]),
        ("<precursorMz>281.2</precursorMz><precursorMz>303.1</precursorMz>", ["several_precursors"]),
        ("<precursorMz>281.2</precursorMz><precursorMz>281.2</precursorMz>", []),
    ],
)
def test_mzxml_precursors(tmp_path: Path, precursors: str, codes: list[str]) -> None:
    path = tmp_path / "one.mzXML"
    path.write_text(MZXML.format(scan="", precursors=precursors))
    spectra, issues, _ = read_all(path)
    assert [issue.code for issue in issues] == codes
    if not codes and "Wideness" in precursors:
        assert spectra[0].isolation_window == pytest.approx((280.6, 281.8))


@pytest.mark.parametrize(
    ("fields", "kept", "dropped"),
    [
        ({"SMILES": "OC(=O)C=Cc1ccc(O)cc1", "FORMULA": "C9H8O3"}, ("smiles", "formula"), ()),
        ({"SMILES": "CCO", "FORMULA": "C9H8O3"}, ("formula",), ("smiles", "inchikey")),
        ({"SMILES": "OC(=O)C=Cc1ccc(O)cc1", "FORMULA": "C2H6O"}, ("smiles", "inchikey"), ("formula",)),
        ({"INCHI": "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"}, (), ("inchikey",)),
        ({"SMILES": "not a SMILES"}, ("smiles", "inchikey"), ()),
    ],
)
def test_a_claim_against_precursor_and_adduct_is_dropped(
    tmp_path: Path, fields: dict[str, str], kept: tuple[str, ...], dropped: tuple[str, ...]
) -> None:
    key = {"INCHIKEY": "NGSWKAQJJWESNS-UHFFFAOYSA-N"}
    [spectrum], issues = read_mgf(tmp_path, ADDUCT="[M+H]+", **fields, **key)
    assert spectrum.n_peaks == 3
    assert all(getattr(spectrum, name) for name in kept)
    assert not any(getattr(spectrum, name) for name in dropped)
    assert [issue.code for issue in issues] == (["structure_mismatch"] if dropped else [])


@pytest.mark.parametrize(
    ("smiles", "adduct", "mz"),
    [
        (BETAINE, "[M+H]+", "118.0863"),
        (BETAINE, "[M]+", "118.0863"),  # a zwitterion measured as cation
        ("C[N+](C)(C)CCO", "[M]+", "104.1070"),
        ("CC([O-])=O", "[M-H]-", "59.0139"),  # an anion as drawn
        ("CC([O-])=O.[Na+]", "[M-H]-", "59.0139"),  # the salt
        ("CCN.Cl", "[M+H]+", "46.0651"),
        ("CCO", "[2M+H]+", "93.0910"),
    ],
)
def test_charges_and_salts_are_no_contradiction(tmp_path: Path, smiles: str, adduct: str, mz: str) -> None:
    [spectrum], issues = read_mgf(tmp_path, SMILES=smiles, ADDUCT=adduct, PEPMASS=mz, CHARGE="absent")
    assert (spectrum.smiles, issues) == (smiles, [])


def test_without_an_adduct_nothing_is_compared(tmp_path: Path) -> None:
    [spectrum], issues = read_mgf(tmp_path, SMILES="CCO")
    assert (spectrum.smiles, issues) == ("CCO", [])


def test_masses_of_claims() -> None:
    assert formula_masses("C9H8O4") == pytest.approx((180.042259,), abs=1e-5)
    assert formula_masses("[C5H14NO]+")[0] == pytest.approx(104.107539, abs=1e-5)
    assert formula_masses("C2HD5O")[0] == pytest.approx(51.07325, abs=1e-4)
    assert formula_masses("no formula") == formula_masses("Xx2") == ()
    assert smiles_masses("n1ccccc1") == pytest.approx((79.042199,), abs=1e-5)
    assert inchi_masses("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3") == pytest.approx((46.041865,), abs=1e-5)
    assert smiles_masses("C" * 5000) == ()


def test_different_adducts_are_not_used(tmp_path: Path) -> None:
    [spectrum], [issue] = read_mgf(tmp_path, ADDUCT="[M+H]+", ION="[M+Na]+")
    assert (spectrum.adduct, issue.code) == (None, "several_adducts")
    [spectrum], issues = read_mgf(tmp_path, ADDUCT="[M+H]+", ION="M+H")
    assert (spectrum.adduct, issues) == ("[M+H]+", [])


def test_the_letter_o_is_suggested(tmp_path: Path) -> None:
    _, [issue] = read_mgf(tmp_path, ADDUCT="[M-H20+H]+")
    assert "did you mean [M-H2O+H]+" in issue.reason


@pytest.mark.parametrize("line", ["Num peaks=97", "NUM_PEAKS=97", "Num peaks: 97"])
def test_an_mgf_count_is_compared(tmp_path: Path, line: str) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(mgf_block().replace("CHARGE=1+", f"CHARGE=1+\n{line}"))
    [_], [issue], _ = read_all(path)
    assert (issue.severity, issue.code) == ("repaired", "peak_count")
    assert "97" in issue.reason
    assert "3 peaks" in issue.reason


def test_counts_of_other_formats_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text(json.dumps([{"precursor_mz": 165.05, "num_peaks": 5, "peaks": [[59.01, 1.0]]}]))
    assert [issue.code for issue in read_all(path)[1]] == ["peak_count"]
    path.write_text("NAME: x\nPRECURSORMZ: 165.05\nNum Peaks: 5\n\n")
    [issue] = read_all(path)[1]
    assert issue.severity == "rejected"
    path.write_text(mzml_document(mzml_spectrum(length=5)))
    assert [issue.code for issue in read_all(path)[1]] == ["bad_array"]


@pytest.mark.parametrize("annotation", ["CC(=O)C", "C=C", "y=3", '"a=b" 2'])
def test_an_annotation_with_an_equals_sign_stays_on_its_peak(tmp_path: Path, annotation: str) -> None:
    path = tmp_path / "one.mgf"
    path.write_text(
        mgf_block(f"71.0491 120 {annotation}", f"89.0597\t880\t{annotation}", **{"13C_NAME": "x=y"})
    )
    [spectrum], issues, _ = read_all(path)
    assert (spectrum.n_peaks, issues) == (2, [])
    assert spectrum.metadata["13C_NAME"] == "x=y"


CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
CAFFEINE_INCHI = "InChI=1S/C8H10N4O2/c1-10-4-9-6-5(10)7(13)12(3)8(14)11(6)2/h4H,1-3H3"


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"SMILES": CAFFEINE, "FORMULA": "C8H10N4O2"}, []),
        ({"SMILES": CAFFEINE, "FORMULA": "C8H11N4O2+"}, []),  # of the ion
        ({"SMILES": CAFFEINE, "FORMULA": "C10H10O4"}, ["formula_differs"]),
        ({"SMILES": CAFFEINE, "FORMULA": "C10H10O4", "ADDUCT": "[M+H]+"}, ["formula_differs"]),
        ({"INCHI": CAFFEINE_INCHI, "FORMULA": "C10H10O4"}, ["formula_differs"]),
        ({"SMILES": BETAINE, "FORMULA": "C5H12NO2+", "PEPMASS": "118.0863", "ADDUCT": "[M]+"}, []),
        ({"SMILES": "CCN.Cl", "FORMULA": "C2H7N", "PEPMASS": "46.0651"}, []),
        ({"EXACTMASS": "194.0804", "ADDUCT": "[M+H]+"}, []),
        ({"EXACTMASS": "0", "ADDUCT": "[M+H]+"}, []),
        ({"EXACTMASS": "180.0423", "ADDUCT": "[M+H]+"}, ["exact_mass_differs"]),
        ({"EXACTMASS": "180.0423"}, []),
        ({"EXTERNAL_ID": "LIMS-1", "EXTERNAL-ID": "LIMS-2"}, ["several_values"]),
        ({"SAMPLE_ID": "A\nSAMPLE_ID=B"}, ["several_values"]),
        ({"RTINSECONDS": "100", "RTINMINUTES": "1.7"}, []),
        ({"RTINSECONDS": "100", "RTINMINUTES": "9"}, ["several_values", "several_values"]),
        ({"RTINSECONDS": "100\nRTINSECONDS=540"}, ["several_values"]),
        ({"COLLISION_ENERGY": "20 eV", "COLLISIONENERGYEV": "20"}, []),
        ({"COLLISION_ENERGY": "20 eV", "COLLISIONENERGYEV": "40"}, ["several_values", "several_values"]),
    ],
)
def test_two_statements_of_one_fact(tmp_path: Path, fields: dict[str, str], codes: list[str]) -> None:
    absent = {
        "TITLE": "absent",
        "ADDUCT": "absent",
        "CHARGE": "absent",
        "RTINSECONDS": "absent",
        "COLLISION_ENERGY": "absent",
    }
    [spectrum], issues = read_mgf(tmp_path, **({"PEPMASS": "195.0877"} | absent | fields))
    assert [issue.code for issue in issues] == codes
    if "formula_differs" in codes:
        assert (spectrum.smiles, spectrum.formula) == ("", "")
    if "several_values" in codes:
        assert (spectrum.external_id, spectrum.sample_id, spectrum.retention_time_s) == ("", "", None)
        assert spectrum.collision_energy_ev is None


@pytest.mark.parametrize(
    ("other", "codes"),
    [
        ({"mz": [100.1, 120.2], "intensity": [1, 3]}, []),
        ({"mz": [50.1, 60.2], "intensity": [5, 6]}, ["several_peak_lists"]),
        ({"peaks_json": "[[50.1, 5], [60.2, 6]]"}, ["several_peak_lists"]),
    ],
)
def test_peaks_that_are_stated_twice(tmp_path: Path, other: dict[str, object], codes: list[str]) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps([{"precursor_mz": 195.0877, "peaks": [[100.1, 1], [120.2, 3]], **other}]))
    spectra, issues, _ = read_all(path)
    assert ([issue.code for issue in issues], len(spectra)) == (codes, 1 - len(codes))


@pytest.mark.parametrize(
    ("comment", "code"),
    [("PrecursorMZ=300.1", "several_precursors"), ("Precursor_type=[M+Na]+", "several_adducts")],
)
def test_a_comment_of_msp_against_its_lines(tmp_path: Path, comment: str, code: str) -> None:
    path = tmp_path / "one.msp"
    lines = ("Name: a", "PrecursorMZ: 195.0877", "Precursor_type: [M+H]+", f'Comments: "{comment}"')
    path.write_text("\n".join((*lines, "Num Peaks: 2", "100.1 10", "120.2 50", "")))
    assert [issue.code for issue in read_all(path)[1]] == [code]
