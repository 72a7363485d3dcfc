"""Known fragments of known drugs are explained, with formula, error and atoms."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from models_ml.molecules.formula import ELECTRON_MASS, formula_mass, parse_formula
from models_ml.molecules.peak_explanations import explain_peaks
from models_ml.spectra.spectrum import Spectrum

VERAPAMIL = "COc1ccc(CCN(C)CCCC(C#N)(c2ccc(OC)c(OC)c2)C(C)C)cc1OC"
CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
DICLOFENAC = "O=C(O)Cc1ccccc1Nc1c(Cl)cccc1Cl"


def spectrum_of(*mz: float) -> Spectrum:
    return Spectrum(mz=np.array(mz), intensity=np.ones(len(mz)))


def formulas(smiles: str, adduct: str, *mz: float) -> dict[float, str]:
    explanations = explain_peaks(spectrum_of(*mz), smiles, adduct, tolerance_ppm=10)
    return {mz[explanation.peak_index]: explanation.formula for explanation in explanations}


def test_known_fragments_of_known_drugs_are_explained() -> None:
    assert formulas(VERAPAMIL, "[M+H]+", 165.0910, 303.2067, 455.2904, 150.0) == {
        165.0910: "C10H13O2+",
        303.2067: "C18H27N2O2+",
        455.2904: "C27H39N2O4+",
    }
    assert formulas(CAFFEINE, "[M+H]+", 138.0662, 195.0877)[138.0662] == "C6H8N3O+"
    assert formulas(DICLOFENAC, "[M-H]-", 250.0196, 294.0094)[250.0196] == "C13H10Cl2N-"
    assert formulas("C[N+](C)(C)CCO", "[M]+", 104.1070, 60.0808) == {104.1070: "C5H14NO+", 60.0808: "C3H10N+"}
    assert formulas("OCC1OC(O)C(O)C(O)C1O", "[M+Na]+", 203.0526)[203.0526] == "C6H12NaO6+"


def test_explanations_carry_the_atoms_and_the_error() -> None:
    measured = 165.0910 * (1 + 4e-6)
    (explanation,) = explain_peaks(spectrum_of(measured), VERAPAMIL)
    assert explanation.error_ppm == pytest.approx(4, abs=0.5)
    mass = formula_mass(parse_formula(explanation.formula)) - ELECTRON_MASS
    assert explanation.mz == pytest.approx(mass, abs=1e-6)
    mol = Chem.MolFromSmiles(VERAPAMIL)
    carbons = [index for index in explanation.atoms if mol.GetAtomWithIdx(index).GetSymbol() == "C"]
    assert len(carbons) == 10
    assert explain_peaks(spectrum_of(measured), VERAPAMIL, tolerance_ppm=1) == []
