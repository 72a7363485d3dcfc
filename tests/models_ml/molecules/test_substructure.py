"""Substructure search: the screen never loses a molecule, and both ways to read a molecule agree."""

from __future__ import annotations

import pytest

from models_ml.molecules.standardise import standardise
from models_ml.molecules.substructure import (
    PATTERN_BITS,
    InvalidPattern,
    match_structures,
    pattern_bits,
    read_bits,
    read_pattern,
    structure_of,
    to_binary,
)
from tests.well_known import well_known_molecules

PATTERNS = (
    "c1ccccc1", "[CX3](=O)[OX2H1]", "[#7;R]", "[NX3;H2]", "[r6]", "C=C", "[OX2H]c", "c1ncnc2c1ncn2",
    "[$(C=O)]", "[!#6;!#1]", "[D3]", "Cl",
)  # fmt: skip


def test_the_screen_and_the_forms_agree() -> None:
    structures = [standardise(molecule.smiles).smiles for molecule in well_known_molecules()]
    rows = [(key, smiles, structure_of(smiles)) for key, smiles in enumerate(structures)]
    binary = [(key, to_binary(mol), "") for key, _, mol in rows]
    plain = [(key, b"", smiles) for key, smiles, _ in rows]
    n_found = 0
    for smarts in PATTERNS:
        found = [key for part in match_structures(smarts, binary) for key in part]
        assert found == [key for part in match_structures(smarts, plain) for key in part], smarts
        (bits,) = read_bits(smarts)
        assert len(bits) == PATTERN_BITS
        wanted = int(bits, 2)
        passed = {key for key, _, mol in rows if int(pattern_bits(mol), 2) & wanted == wanted}
        assert passed.issuperset(found), smarts
        n_found += len(found)
    assert n_found > len(structures)


@pytest.mark.parametrize("smarts", ["", "c1ccc", "[", "Hello"])
def test_a_text_that_is_no_pattern_is_refused(smarts: str) -> None:
    with pytest.raises(InvalidPattern, match="is not a SMARTS"):
        read_pattern(smarts)
