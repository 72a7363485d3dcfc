"""Betaines and acylcarnitines, drawn without a net charge, are found by `[M]+`. Other molecules are not."""

from __future__ import annotations

import numpy as np
import pytest

from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.molecules.standardise import standardise
from models_ml.outcomes import AnnotateParams, CannotAnnotate
from models_ml.spectra.precursor_window import PrecursorWindow, mass_window
from models_ml.spectra.zwitterions import adduct_of, is_zwitterion
from tests.models_ml.spectra.builders import make_spectrum

BETAINE = "C[N+](C)(C)CC(=O)[O-]"
ACETYLCARNITINE = "CC(=O)OC(CC(=O)O)C[N+](C)(C)C"  # drawn as the cation
PROTON_MZ = 118.08626  # of betaine
H_MASS = 1.00782503


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        (BETAINE, True),
        ("O=C([O-])c1ccc[n+](C)c1", True),  # trigonelline
        ("C[S+](C)CCC([NH3+])C(=O)[O-]", False),  # net charge 1
        ("C[S+](C)CCC(N)C(=O)[O-]", True),
        ("C[As+](C)(C)CC(=O)[O-]", True),
        ("CCCCCCCC(=O)OCC(COP(=O)([O-])OCC[N+](C)(C)C)O", True),
        ("COc1cc2c(c3cc4c(cc13)OCO4)[n+]1ccccc1cc2[O-]", True),
        ("C[N+](C)(C)CCO", False),  # choline has a net charge
        ("[NH3+]CC(=O)[O-]", False),  # a proton can move
        ("O=[N+]([O-])c1ccccc1", False),
        ("O=[N+]([O-])c1ccc(C(=O)O)cc1", False),
        ("C[N+](C)(C)[O-]", False),
        ("CN=[N+]=[N-]", False),
        ("OCC", False),
        ("smiles + no structure -]", False),
        ("", False),
    ],
)
def test_which_structures_are_zwitterions(smiles: str, expected: bool) -> None:
    assert is_zwitterion(smiles) is expected


@pytest.mark.parametrize("smiles", [BETAINE, ACETYLCARNITINE, "C[N+](C)(C)CC(=O)O", BETAINE + ".Cl"])
def test_every_drawing_becomes_the_zwitterion(smiles: str) -> None:
    assert is_zwitterion(standardise(smiles).smiles)


def window(adduct: str, precursor_mz: float) -> PrecursorWindow:
    found = mass_window(make_spectrum(adduct=adduct, precursor_mz=precursor_mz), AnnotateParams())
    assert not isinstance(found, CannotAnnotate)
    return found


def test_the_mass_error_of_a_zwitterion_is_that_of_its_protonated_form() -> None:
    molecule = standardise(BETAINE)
    for adduct in ("[M]+", "[M+H]+"):
        error = window(adduct, PROTON_MZ).mass_error_ppm(molecule.exact_mass, molecule.smiles)
        assert abs(error) < 0.2
    choline = standardise("C[N+](C)(C)CCO")
    assert abs(window("[M]+", 104.10699).mass_error_ppm(choline.exact_mass, choline.smiles)) < 0.2


def test_a_zwitterion_without_an_electron_keeps_its_adduct() -> None:
    molecule = standardise(BETAINE)
    assert adduct_of(molecule.smiles, molecule.exact_mass, PROTON_MZ, "[M]+") == "[M+H]+"
    assert adduct_of(molecule.smiles, molecule.exact_mass, PROTON_MZ - H_MASS, "[M]+") == "[M]+"
    assert adduct_of(molecule.smiles, molecule.exact_mass, PROTON_MZ, "[M+Na]+") == "[M+Na]+"


def test_the_second_window_holds_zwitterions_only() -> None:
    texts = [BETAINE, "CC(C)C(N)C(=O)O", "C[N+](C)(C)CCO"]  # betaine and valine have one formula
    molecules = [standardise(text) for text in texts]
    assert molecules[0].exact_mass == pytest.approx(molecules[1].exact_mass)
    library = InMemoryLibrary(molecules, np.eye(3, 8, dtype=np.float32))
    embedding = np.full(8, 8**-0.5, np.float32)
    found = library.retrieve(
        [window(adduct, PROTON_MZ).query(embedding) for adduct in ("[M]+", "[M+H]+")], 40
    )
    names = [{molecule.smiles for molecule in result.molecules} for result in found]
    assert BETAINE in names[0]
    assert molecules[1].smiles not in names[0]
    assert {BETAINE, molecules[1].smiles} <= names[1]
    assert [result.n_in_window for result in found] == [len(result.molecules) for result in found]
    assert window("[M-H]-", PROTON_MZ).zwitterion_mass is None
