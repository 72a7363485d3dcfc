"""Reads the files in ../shared/data/formats/reported, made after public bug reports.

Each was once misread without a message.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from models_ml.molecules.readers import StructureIssue, standardised_rows
from tests.models_ml.spectra.builders import read_all

pytestmark = pytest.mark.shared

# Per file: (peaks, precursor m/z, charge, adduct) of each spectrum and the codes of the issues. Each file has
# either the right values, with a message about what was changed, or the message that refuses it.
SPECTRA: dict[str, tuple[list[tuple[int, float | None, int | None, str | None]], list[str]]] = {
    "massbank_deprecated.txt": ([], ["deprecated"]),
    "mgf_adduct_H20_typo.mgf": ([(4, 163.0754, 1, None)], ["unknown_adduct"]),
    "mgf_charge_minus1minus.mgf": ([(4, 813.5011, -1, None)], []),
    "mgf_cp1252_title.mgf": ([(4, 200.1, None, None)], []),
    "mgf_ion_field_mzmine.mgf": (
        [(4, 331.2853, 1, "[M-C6H8O6+H]+"), (4, 353.2672, 1, "[M+Na]+")],
        ["not_ms2"],
    ),
    "mgf_old_mac_cr.mgf": ([(4, 200.1, 1, None), (4, 250.1, 1, None)], []),
    "mgf_peak_annotation_with_equals.mgf": ([(3, 281.2, None, None)], []),
    "mgf_pepmass_decimal_comma_with_intensity.mgf": ([(4, 281.2013306, 1, None)], ["number_format"]),
    "mgf_pepmass_thousands.mgf": ([(4, 1281.2013, None, None)], ["number_format"]),
    "msp_braces_decimal_comma.msp": ([(2, 180.1, None, None)], ["number_format"]),
    "mzml_ion_mobility_combined_frame.mzML": ([(3, 180.1019, 1, None)], ["repeated_mz"]),
    "mzml_ms_level_minus_one.mzML": ([], ["bad_ms_level"]),
    "mzml_mse_wide_window.mzML": ([], ["wide_isolation_window", "wide_isolation_window"]),
    "mzml_no_spectra_trailing_text.mzML": ([], ["trailing_bytes", "no_spectra"]),
    "mzml_profile_ms2.mzML": ([(6, 180.1019, 1, None)], ["centroided"]),
    "mzml_selected_ion_outside_isolation_window.mzML": (
        [(4, 362.1071, 1, None)],  # the monoisotopic m/z; the window isolates M+1
        ["isolated_isotope"],
    ),
}
# Per file: the SMILES of each row, or the code of its issue.
STRUCTURES: dict[str, list[str]] = {
    "lib_csv_cxsmiles_quoted.csv": ["CCO", "CC(C)C", "CC(=O)Oc1ccccc1C(=O)O"],
    "lib_csv_no_header.csv": ["CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CCO"],
    "lib_csv_unclosed_quote.csv": [
        "CC(=O)Oc1ccccc1C(=O)O",
        "bad_row",
        "OCC1OC(O)C(O)C(O)C1O",
        "CC(=O)Oc1ccccc1C(=O)O",
        "CCO",
    ],
    "lib_sdf_polymer_sru.sdf": ["polymer"],
    "lib_smi_atom_maps.smi": ["CCO", "CCO"],
}


@pytest.mark.parametrize("name", SPECTRA)
def test_spectra(shared_data: Path, name: str) -> None:
    spectra, issues, _ = read_all(shared_data / "formats" / "reported" / name)
    values = [(item.n_peaks, item.precursor_mz, item.charge, item.adduct) for item in spectra]
    assert (values, [issue.code for issue in issues]) == SPECTRA[name]


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures(shared_data: Path, name: str) -> None:
    rows = standardised_rows(shared_data / "formats" / "reported" / name)
    results = [row.code if isinstance(row, StructureIssue) else row.molecule.smiles for row in rows]
    assert results == STRUCTURES[name]


def test_every_file_is_pinned(shared_data: Path) -> None:
    names = {path.name for path in (shared_data / "formats" / "reported").iterdir()}
    assert names == {*SPECTRA, *STRUCTURES}
