"""Fragments follow from the bonds; computed spectra are plausible, repeatable and say what they are."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rdkit import Chem

from models_ml.molecules.cleavage import enumerate_fragments
from models_ml.molecules.formula import ELECTRON_MASS, formula_mass, parse_formula
from models_ml.molecules.fragmentation import explain_peaks, fragment_spectrum
from models_ml.molecules.structure_text import UnusableStructure
from models_ml.spectra.spectrum import Spectrum

VERAPAMIL = "COc1ccc(CCN(C)CCCC(C#N)(c2ccc(OC)c(OC)c2)C(C)C)cc1OC"
CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
DICLOFENAC = "O=C(O)Cc1ccccc1Nc1c(Cl)cccc1Cl"


def spectrum_of(*mz: float) -> Spectrum:
    return Spectrum(mz=np.array(mz), intensity=np.ones(len(mz)))


def formulas(smiles: str, adduct: str, *mz: float) -> dict[float, str]:
    found = explain_peaks(spectrum_of(*mz), smiles, adduct, tolerance_ppm=10)
    return {mz[explanation.peak_index]: explanation.formula for explanation in found}


def test_fragments_are_connected_distinct_parts() -> None:
    mol = Chem.MolFromSmiles(VERAPAMIL)
    fragments = enumerate_fragments(mol)
    assert fragments.atoms[0].all()
    assert fragments.effort[0] == 0
    assert len({row.tobytes() for row in fragments.atoms}) == len(fragments.atoms)
    for row in fragments.atoms[:: max(1, len(fragments.atoms) // 200)]:
        part = Chem.MolFragmentToSmiles(mol, [int(index) for index in np.flatnonzero(row)])
        assert "." not in part


def test_a_benzene_ring_holds_and_a_cyclohexane_opens() -> None:
    assert len(enumerate_fragments(Chem.MolFromSmiles("c1ccccc1")).atoms) == 1
    assert len(enumerate_fragments(Chem.MolFromSmiles("C1CCCCC1")).atoms) > 6


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


@pytest.mark.parametrize("adduct", ["[M+H]+", "[M-H]-", "[M+Na]+", "[M+NH4]+", "[M+HCOO]-", "[M]+"])
@pytest.mark.parametrize("smiles", [VERAPAMIL, CAFFEINE, DICLOFENAC, "C", "O", "CCO"])
def test_every_computed_spectrum_is_sound(smiles: str, adduct: str) -> None:
    spectrum = fragment_spectrum(smiles, adduct)
    assert spectrum.n_peaks >= 1
    assert np.isfinite(spectrum.mz).all()
    assert (np.diff(spectrum.mz) > 0).all()
    assert (spectrum.intensity > 0).all()
    assert spectrum.intensity.max() == pytest.approx(999)
    assert spectrum.precursor_mz is not None
    assert spectrum.mz.max() <= spectrum.precursor_mz * (1 + 1e-5)
    assert spectrum.adduct == adduct
    assert spectrum.ion_mode == ("positive" if adduct.endswith("+") else "negative")


def test_a_computed_spectrum_says_that_it_is_computed() -> None:
    spectrum = fragment_spectrum(CAFFEINE)
    assert "Computed" in spectrum.title
    assert spectrum.instrument_type == "computed"
    assert "not measured" in spectrum.metadata["COMMENT"]
    assert spectrum.precursor_mz == pytest.approx(195.08765, abs=1e-4)


def test_it_is_repeatable_and_the_seed_matters_little() -> None:
    first, again, other = (fragment_spectrum(VERAPAMIL, seed=seed) for seed in (0, 0, 1))
    assert first.mz.tobytes() == again.mz.tobytes()
    assert first.intensity.tobytes() == again.intensity.tobytes()
    assert other.mz.tobytes() != first.mz.tobytes()
    assert other.n_peaks == first.n_peaks
    assert np.abs(other.mz - first.mz).max() < 0.01


def test_more_energy_leaves_less_precursor() -> None:
    shares = []
    for energy in (10.0, 30.0, 60.0):
        spectrum = fragment_spectrum(VERAPAMIL, collision_energy_ev=energy)
        shares.append(spectrum.intensity[-1] / spectrum.intensity.sum())
    assert shares[0] > shares[1] > shares[2]


def test_different_structures_of_one_formula_differ() -> None:
    first, second = fragment_spectrum("CC(=O)Oc1ccccc1C(=O)O"), fragment_spectrum("COc1ccc2c(c1)OCC(=O)O2")
    assert first.precursor_mz == second.precursor_mz
    assert {round(float(mz), 2) for mz in first.mz} != {round(float(mz), 2) for mz in second.mz}


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UnusableStructure):
        fragment_spectrum("no structure")
    with pytest.raises(ValueError, match="adduct"):
        fragment_spectrum(CAFFEINE, "[M+Xx]+")


def test_a_typical_drug_is_fast() -> None:
    fragment_spectrum(VERAPAMIL)
    started = time.process_time()
    for _ in range(5):
        fragment_spectrum(VERAPAMIL)
    assert (time.process_time() - started) / 5 < 0.15  # 5 ms on a quiet machine
