"""Fingerprints as bytes, and formulae in Hill order."""

from __future__ import annotations

import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from models_ml.molecules.fingerprint import (
    bulk_tanimoto,
    fingerprint_matrix,
    morgan_fingerprint,
    tanimoto,
    unpack_bits,
)
from models_ml.molecules.formula import (
    format_formula,
    formula_mass,
    hill_formula,
    parse_formula,
    without_charge,
)

SMILES = ["CCO", "CCN", "c1ccccc1C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(=O)Nc1ccc(O)cc1"]


def test_tanimoto_agrees_with_rdkit() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    mols = [Chem.MolFromSmiles(text) for text in SMILES]
    vectors = [generator.GetFingerprint(mol) for mol in mols]
    packed = [morgan_fingerprint(mol) for mol in mols]
    matrix = fingerprint_matrix(packed)
    for index, fingerprint in enumerate(packed):
        expected = [DataStructs.TanimotoSimilarity(vectors[index], other) for other in vectors]
        assert bulk_tanimoto(fingerprint, matrix) == pytest.approx(expected)
    assert tanimoto(packed[0], packed[0]) == 1.0
    assert list(unpack_bits(packed[2]).nonzero()[0]) == list(vectors[2].GetOnBits())


def test_empty_fingerprints_are_not_similar() -> None:
    assert tanimoto(bytes(256), bytes(256)) == 0.0
    with pytest.raises(ValueError, match="256 bytes"):
        fingerprint_matrix([b"short"])


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("C8H10N4O2", {"C": 8, "H": 10, "N": 4, "O": 2}),
        ("C5H14NO+", {"C": 5, "H": 14, "N": 1, "O": 1}),
        ("[C7H16NO3]+", {"C": 7, "H": 16, "N": 1, "O": 3}),
        ("C10Cl2Br", {"C": 10, "Cl": 2, "Br": 1}),
        ("CH3CH2OH", {"C": 2, "H": 6, "O": 1}),
    ],
)
def test_formulae_are_parsed(text: str, counts: dict[str, int]) -> None:
    assert parse_formula(text) == counts


@pytest.mark.parametrize("text", ["", "c8h10", "C8(H10)", "Xx2", "C8 H10", "+", "C8H10.ClH"])
def test_text_that_is_not_a_formula_raises(text: str) -> None:
    with pytest.raises(ValueError, match="molecular formula"):
        parse_formula(text)


def test_formula_mass_and_hill_order() -> None:
    caffeine = Chem.MolFromSmiles("Cn1cnc2c1c(=O)n(C)c(=O)n2C")
    counts = parse_formula(hill_formula(caffeine))
    assert format_formula(counts) == "C8H10N4O2"
    assert formula_mass(counts) == pytest.approx(194.0803756, abs=1e-6)
    assert format_formula({"O": 1, "H": 2, "C": 0}) == "H2O"
    assert format_formula({"Cl": 1, "H": 3, "C": 1, "Br": 1}) == "CH3BrCl"
    with pytest.raises(ValueError, match="Xx"):
        formula_mass({"Xx": 1})


@pytest.mark.parametrize("smiles", ["CCO", "CC(=O)OCC[N+](C)(C)C", "C[N+](C)(C)CC[N+](C)(C)C", "CC(=O)[O-]"])
def test_without_charge_leaves_the_atoms(smiles: str) -> None:
    formula = rdMolDescriptors.CalcMolFormula(Chem.MolFromSmiles(smiles))
    assert without_charge(formula) == format_formula(parse_formula(formula))
