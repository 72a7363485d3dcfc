"""Real exports that would pass with a wrong value: each gives the right value or a message.

Sources of the kinds: ProteoWizard, Bruker DataAnalysis, MZmine, MS-DIAL, GNPS, MoNA and spreadsheets with
German and French number formats. The files in the shared data are in `test_reported_files`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models_ml.spectra import adducts
from models_ml.spectra.spectrum import Spectrum
from tests.models_ml.spectra.builders import mzml_document, mzml_spectrum, read_all, term
from tests.models_ml.spectra.test_contradictions import MZXML

PEAKS = "71.0491 120.5\n89.0597 880\n131.0703 1000\n"


def mgf(fields: str, peaks: str = PEAKS) -> str:
    return f"BEGIN IONS\n{fields}\n{peaks}END IONS\n"


def msp(fields: str, peaks: str = PEAKS, count: int = 3) -> str:
    return f"NAME: x\n{fields}\nNum Peaks: {count}\n{peaks}\n"


def read(tmp_path: Path, text: str | bytes) -> tuple[list[Spectrum], list[str]]:
    path = tmp_path / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    spectra, issues, _ = read_all(path)
    return spectra, [issue.code for issue in issues]


# Peaks: text of the lines, intensities or none, codes.
@pytest.mark.parametrize(
    ("peaks", "intensities", "codes"),
    [
        ("71,0491 1\u202f234,5\n89,0597 12\u202f000,0\n", [1234.5, 12000.0], ["number_format"]),
        ("71.0491\t1\u00a0234\n89.0597\t880\n", [1234.0, 880.0], ["number_format"]),
        ("71.0491\u00a01234\n89.0597\u00a0880\n", [1234.0, 880.0], []),
        ("71.0491 120.5\u00a0C4H7O\n89.0597 880\n", [120.5, 880.0], []),
        ("71.0491 1 234\n89.0597 880\n131.0703 12 000\n", None, ["ambiguous_number"]),
        ("71.0491 1 1+\n89.0597 880 234\n", [1.0, 880.0], []),  # a third column that is no group
        ("7.10E+01 1.2E+02\n8.91E+01 8.8E+02\n1.31E+02 1.0E+03\n", None, ["rounded_number"]),
        ("7,10E+01 1,2E+02\n8,91E+01 8,8E+02\n", None, ["rounded_number"]),
        ("7.10491e+01 1.2E+02\n8.90597e+01 8.8E+02\n", [120.0, 880.0], []),
        ("71.0491 120.5\nJan 89 880\n", None, ["bad_peak"]),
        ('71.0491 120.5\n"89.0597","880"\n', None, ["bad_peak"]),
        ("71.0491 120.5\n* 89.0597 880\n", None, ["bad_peak"]),
        ("71.0491 120.5\nthis is a remark\n", [120.5], ["ignored_line"]),
    ],
)
def test_peaks(tmp_path: Path, peaks: str, intensities: list[float] | None, codes: list[str]) -> None:
    spectra, found = read(tmp_path, mgf("PEPMASS=281.2013", peaks))
    assert found == codes
    assert [list(item.intensity) for item in spectra] == ([] if intensities is None else [intensities])


@pytest.mark.parametrize(
    ("pepmass", "mz", "codes"),
    [
        ("1\u202f281,2013", 1281.2013, ["number_format"]),
        ("1\u00a0281.2013 5000", 1281.2013, ["number_format"]),
        ("2.81E+02", None, ["rounded_number"]),
        ("2,81E+02", None, ["rounded_number"]),
        ("2.812013E+02", 281.2013, []),
        ("1_281.2013", None, ["bad_precursor"]),
    ],
)
def test_precursors(tmp_path: Path, pepmass: str, mz: float | None, codes: list[str]) -> None:
    spectra, found = read(tmp_path, mgf(f"PEPMASS={pepmass}"))
    assert [item.precursor_mz for item in spectra] == ([] if mz is None else [mz])
    assert found == codes


# Fields: charge, adduct and ion mode, codes.
@pytest.mark.parametrize(
    ("fields", "ion", "codes"),
    [
        ("CHARGE=1+\nPRECURSOR_CHARGE=2+", (None, None, None), ["several_charges"]),
        ("CHARGE=1\nPRECURSOR_CHARGE=1+", (1, None, "positive"), []),
        ("ADDUCT=[M+H]+\nPRECURSOR_TYPE=[M+Na]+", (None, None, None), ["several_adducts"]),
        ("PRECURSORTYPE=[M+H]+\nPRECURSOR_TYPE=[M+Na]+", (None, None, None), ["several_adducts"]),
        ("ADDUCT=[M+H]+\nADDUCT=[M+Na]+", (None, None, None), ["several_adducts"]),
        ("ADDUCT=[M+H]+\nION=M+H", (1, "[M+H]+", "positive"), []),
        ('ADDUCT="[M+H]+"', (1, "[M+H]+", "positive"), []),
        ("ADDUCT=[M+HC00]-", (None, None, None), ["unknown_adduct"]),
        ("IONMODE=positive\nPOLARITY=negative", (None, None, None), ["contradiction"]),
        ("POLARITY=-", (None, None, "negative"), []),
        ("IONMODE=Negative ESI", (None, None, "negative"), []),
        ("IONMODE=LC-ESI-NEG", (None, None, "negative"), []),
        ("IONMODE=ESI-", (None, None, "negative"), []),
        ("IONMODE=négatif", (None, None, "negative"), []),
        ("IONMODE=positiv", (None, None, "positive"), []),
        ("IONMODE=positive/negative", (None, None, None), []),
        ("IONMODE=LC-ESI-QTOF", (None, None, None), []),
    ],
)
def test_ions(tmp_path: Path, fields: str, ion: tuple[object, ...], codes: list[str]) -> None:
    [spectrum], found = read(tmp_path, mgf(f"PEPMASS=281.2013\n{fields}"))
    assert (spectrum.charge, spectrum.adduct, spectrum.ion_mode) == ion
    assert found == codes


def test_the_charge_of_pepmass(tmp_path: Path) -> None:
    [spectrum], codes = read(tmp_path, mgf("PEPMASS=281.2013 2+"))
    assert (spectrum.precursor_mz, spectrum.charge, codes) == (281.2013, 2, [])
    [spectrum], codes = read(tmp_path, mgf("PEPMASS=281.2013 1000 2+\nCHARGE=1+"))
    assert (spectrum.charge, codes) == (1, ["contradiction"])


GLUCOSE, FRUCTOSE = "OCC1OC(O)C(O)C(O)C1O", "OCC(=O)C(O)C(O)C(O)CO"
ETHANOL = "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"


@pytest.mark.parametrize(
    ("fields", "smiles", "codes"),
    [
        (f"PEPMASS=181.0707\nSMILES={GLUCOSE}\nsmiles={FRUCTOSE}", "", ["several_structures"]),
        (f"PEPMASS=181.0707\nSMILES={GLUCOSE}\nSMILES={FRUCTOSE}", "", ["several_structures"]),
        (f"PEPMASS=181.0707\nSMILES={GLUCOSE}\nsmiles=C(C1C(C(C(C(O1)O)O)O)O)O", GLUCOSE, []),
        (f'PEPMASS=47.0491\nSMILES="CCO"\nINCHI="{ETHANOL}"', "CCO", []),
        (f'PEPMASS=281.2013\nADDUCT=[M+H]+\nINCHI="{ETHANOL}"', "", ["structure_mismatch"]),
    ],
)
def test_structures(tmp_path: Path, fields: str, smiles: str, codes: list[str]) -> None:
    [spectrum], found = read(tmp_path, mgf(fields))
    assert (spectrum.smiles, found) == (smiles, codes)


def test_an_inchikey_that_is_not_the_hash_of_the_inchi(tmp_path: Path) -> None:
    for key, codes in (
        ("LCGLNKUTAGEVQW-UHFFFAOYSA-N", ["key_mismatch"]),
        ("LFQSCWFLJHTTHZ-UHFFFAOYSA-N", []),
    ):
        [spectrum], found = read(tmp_path, mgf(f"PEPMASS=47.0491\nINCHI={ETHANOL}\nINCHIKEY={key}"))
        assert (spectrum.inchikey, found) == ("" if codes else key, codes)


GLUCOSE_INCHI = "InChI=1S/C6H12O6/c7-1-2-3(8)4(9)5(10)6(11)12-2/h2-11H,1H2"


@pytest.mark.parametrize(
    ("fields", "smiles", "codes"),
    [
        # another molecule with the same formula
        (f"SMILES={FRUCTOSE}\nINCHI={GLUCOSE_INCHI}", "", ["structures_differ"]),
        (f"SMILES={FRUCTOSE}\nINCHIKEY=WQZGKKKJIJFFOK-UHFFFAOYSA-N", "", ["structures_differ"]),
        (f"SMILES={GLUCOSE}\nINCHIKEY=WQZGKKKJIJFFOK-GASJEMHNSA-N\nINCHI={GLUCOSE_INCHI}", GLUCOSE, []),
        (f"SMILES={GLUCOSE}.[Na+].[Cl-]\nINCHI={GLUCOSE_INCHI}", f"{GLUCOSE}.[Na+].[Cl-]", []),
        # a stated exact mass
        (f"SMILES={GLUCOSE}\nEXACTMASS=180.0634", GLUCOSE, []),
        (f"SMILES={GLUCOSE}\nEXACT_MASS=180.16", GLUCOSE, ["exact_mass_differs"]),  # the average mass
        (f"SMILES={GLUCOSE}\nexactmass=181.0707", GLUCOSE, ["exact_mass_differs"]),  # of the ion
        (f"SMILES={GLUCOSE}\nEXACTMASS=180", GLUCOSE, []),
        ("FORMULA=C6H12O6\nEXACTMASS=182.0790", "", ["exact_mass_differs"]),
        ("EXACTMASS=182.0790", "", ["exact_mass_differs"]),
        (f"SMILES={GLUCOSE}\nEXACTMASS=unknown", GLUCOSE, []),
    ],
)
def test_what_a_record_states_twice(tmp_path: Path, fields: str, smiles: str, codes: list[str]) -> None:
    [spectrum], found = read(tmp_path, mgf(f"PEPMASS=181.0707\nADDUCT=[M+H]+\n{fields}"))
    assert (spectrum.smiles, found) == (smiles, codes)
    if "structures_differ" in codes:
        assert spectrum.inchikey == ""


def mona(**changes: object) -> str:
    """A document as MoNA exports it, with one record."""
    facts = {
        "ms level": "MS2", "precursor type": "[M+H]+", "precursor m/z": 195.0877,
        "ionization mode": "positive", "retention time": 5.3, **changes,
    }  # fmt: skip
    units = {"retention time": {"unit": "min"}}
    compound = {
        "kind": "biological",
        "inchi": "InChI=1S/C8H10N4O2/c1-10-4-9-6-5(10)7(13)12(3)8(14)11(6)2/h4H,1-3H3",
        "inchiKey": "RYYVLZVUVIJVGH-UHFFFAOYSA-N",
        "names": [{"name": "Caffeine"}, {"name": "Theine"}],
        "metaData": [
            {"name": "SMILES", "value": "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "computed": False},
            {"name": "total exact mass", "value": 194.0803756, "computed": True},
        ],
    }
    record = {
        "id": "AU101801",
        "compound": [compound],
        "metaData": [{"name": name, "value": value, **units.get(name, {})} for name, value in facts.items()],
        "spectrum": "110.0713:21.0 138.0662:100.0",
        "splash": {"splash": "splash10-000i-0900000000-3f1b"},
        "tags": [{"text": "LC-MS"}],
    }
    return json.dumps([record])


def test_a_document_of_mona(tmp_path: Path) -> None:
    [spectrum], codes = read(tmp_path, mona())
    assert codes == []
    assert (spectrum.mz.tolist(), spectrum.intensity.tolist()) == ([110.0713, 138.0662], [21.0, 100.0])
    assert (spectrum.precursor_mz, spectrum.adduct, spectrum.ion_mode) == (195.0877, "[M+H]+", "positive")
    assert (spectrum.title, spectrum.external_id) == ("Caffeine", "AU101801")
    assert (spectrum.smiles, spectrum.inchikey[:14]) == ("CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "RYYVLZVUVIJVGH")
    assert spectrum.retention_time_s == pytest.approx(318)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"ms level": "MS3"}, ["not_ms2"]),
        ({"precursor type": "[M+Na]+"}, ["structure_mismatch"]),
        ({"ionization mode": "negative"}, ["contradiction"]),
    ],
)
def test_contradictions_in_a_document_of_mona(
    tmp_path: Path, changes: dict[str, object], codes: list[str]
) -> None:
    assert read(tmp_path, mona(**changes))[1] == codes


def test_a_document_of_mona_with_other_peaks(tmp_path: Path) -> None:
    text = mona().replace("110.0713:21.0 ", "110.0713 ")
    assert read(tmp_path, text) == ([], ["bad_record"])


# Files: precursor and adduct of each spectrum, codes.
@pytest.mark.parametrize(
    ("text", "spectra", "codes"),
    [
        # The fields of a block without its first line belong to no other block.
        (
            f"PEPMASS=281.2\nADDUCT=[M+Na]+\n{PEAKS}END IONS\n" + mgf("PEPMASS=300.1"),
            [(300.1, None)],
            ["unfinished_record"],
        ),
        (
            mgf("PEPMASS=281.2") + "ADDUCT=[M+Na]+\n" + mgf("PEPMASS=300.1"),
            [(281.2, None), (300.1, None)],
            ["fields_outside_block"],
        ),
        (
            mgf("PEPMASS=281.2") + PEAKS + mgf("PEPMASS=300.1"),
            [(281.2, None), (300.1, None)],
            ["unfinished_record"],
        ),
        (
            "ADDUCT=[M+Na]+\n" + mgf("PEPMASS=281.2") + mgf("PEPMASS=300.1"),
            [(281.2, "[M+Na]+"), (300.1, "[M+Na]+")],
            [],
        ),
        (msp("ACCESSION: AB1\nPRECURSORMZ: 281.2"), [(281.2, None)], []),  # a field, not a MassBank record
        (mgf("PEPMASS=281.2\nTITLE=é").encode("utf-16-le"), [(281.2, None)], []),
        (mgf("PEPMASS=281.2").encode("utf-16-be"), [(281.2, None)], []),
        (
            b"".join(b"\xef\xbb\xbf" + mgf(f"PEPMASS={mz}").encode() for mz in (281.2, 300.1)),
            [(281.2, None), (300.1, None)],
            [],
        ),
        (
            f">compound a\n>parentmass 281.2\n\n>ms2merge\n{PEAKS}\n>ms2\n{PEAKS}",
            [(281.2, None)],
            ["unknown_section"],
        ),
    ],
)
def test_files(
    tmp_path: Path, text: str | bytes, spectra: list[tuple[float, str | None]], codes: list[str]
) -> None:
    found, issues = read(tmp_path, text)
    assert ([(item.precursor_mz, item.adduct) for item in found], issues) == (spectra, codes)


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ("MSLEVEL=2\nMS_LEVEL=1", ["bad_ms_level"]),
        ("MSLEVEL=2\nSPECTRUM_TYPE=MS2", []),
        ("MSLEVEL=MS^3", ["not_ms2"]),
        ("MSLEVEL=MS3 (HCD)", ["not_ms2"]),
        ("SPECTRUM_TYPE=LC-ESI-MS/MS/MS", ["not_ms2"]),
        ("SPECTRUM_TYPE=LC-MS/MS", []),
        ("SPECTRUM_TYPE=LC-ESI-MS2", []),
        ("SPECTRUM_TYPE=Centroid", []),
        ("MSLEVEL=MSn", ["bad_ms_level"]),
        ("SPECTRUM_TYPE=MSn spectrum\nMSLEVEL=2", []),
        ("FILTER=FTMS + c ESI d Full ms3 281.20@cid35.00 131.07@hcd40.00 [50.00-300.00]", ["not_ms2"]),
        ("FILTER=FTMS + c ESI d Full ms2 281.20@hcd35.00 [50.00-300.00]", []),
        ("MSLEVEL=2\nFILTER=FTMS + c ESI d Full ms3 281.20@cid35.00 131.07@hcd40.00", ["bad_ms_level"]),
    ],
)
def test_levels(tmp_path: Path, fields: str, codes: list[str]) -> None:
    assert read(tmp_path, mgf(f"PEPMASS=281.2\n{fields}"))[1] == codes


@pytest.mark.parametrize(
    ("time", "seconds", "codes"),
    [("5.3", 318.0, []), ("318.5", None, ["unclear_unit"]), ("318.5 s", 318.5, [])],
)
def test_a_time_that_is_too_long_for_minutes(
    tmp_path: Path, time: str, seconds: float | None, codes: list[str]
) -> None:
    [spectrum], found = read(tmp_path, msp(f"PRECURSORMZ: 281.2\nRETENTION_TIME: {time}"))
    assert (spectrum.retention_time_s, found) == (seconds, codes)


def test_scans_that_hold_no_product_ions_of_one_precursor(tmp_path: Path) -> None:
    level = term("MS:1000511", "ms level", "2")
    srm = mzml_spectrum().replace(level, level + term("MS:1000583", "SRM spectrum"))
    assert read(tmp_path, mzml_document(srm))[1] == ["not_ms2"]
    targets = "".join(
        f"<precursor><isolationWindow>{term('MS:1000827', 'target', mz)}</isolationWindow></precursor>"
        for mz in ("300.1", "400.1")
    )
    multiplexed = mzml_spectrum(precursor=f"<precursorList>{targets}</precursorList>")
    assert read(tmp_path, mzml_document(multiplexed))[1] == ["several_precursors"]
    sim = MZXML.format(scan='scanType="SIM"', precursors="<precursorMz>281.2</precursorMz>")
    assert read(tmp_path, sim)[1] == ["not_ms2"]


@pytest.mark.parametrize(
    ("steps", "scan", "codes"),
    [
        (["0"], "", ["stated_profile"]),
        (["1"], "", []),
        (["0", "1"], "", []),  # the second step centroided
        (["0"], 'centroided="1"', []),
        (["1"], 'centroided="0"', ["stated_profile"]),
    ],
)
def test_mzxml_states_centroids_for_the_file_or_the_scan(
    tmp_path: Path, steps: list[str], scan: str, codes: list[str]
) -> None:
    processing = "".join(f'<dataProcessing centroided="{step}"/>' for step in steps)
    text = MZXML.format(scan=scan, precursors="<precursorMz>281.2</precursorMz>")
    assert read(tmp_path, text.replace("<msRun>", f"<msRun>{processing}"))[1] == codes


@pytest.mark.parametrize("text", ["[M+HC00]-", "[M+CH3C00]-", "[M+C06H12+H]+"])
def test_a_zero_for_the_letter_o_is_refused(text: str) -> None:
    assert adducts.normalise(text) is None


def test_abbreviations_of_solvents() -> None:
    assert adducts.normalise("[M+MeCN+H]+") == "[M+ACN+H]+"
    assert adducts.normalise("[M+iPrOH+H]+") == "[M+IPA+H]+"
