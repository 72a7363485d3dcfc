"""Fragments are connected, distinct parts of the molecule, and follow from its bonds."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from models_ml.molecules.cleavage import enumerate_fragments

VERAPAMIL = "COc1ccc(CCN(C)CCCC(C#N)(c2ccc(OC)c(OC)c2)C(C)C)cc1OC"


def test_fragments_are_connected_distinct_parts() -> None:
    mol = Chem.MolFromSmiles(VERAPAMIL)
    fragments = enumerate_fragments(mol)
    assert fragments.atoms[0].all()
    assert fragments.effort[0] == 0
    assert len({row.tobytes() for row in fragments.atoms}) == len(fragments.atoms)
    for row in fragments.atoms[:: max(1, len(fragments.atoms) // 200)]:
        part = Chem.MolFragmentToSmiles(mol, [int(index) for index in np.flatnonzero(row)])
        assert "." not in part


def test_benzene_stays_whole_and_cyclohexane_opens() -> None:
    assert len(enumerate_fragments(Chem.MolFromSmiles("c1ccccc1")).atoms) == 1
    assert len(enumerate_fragments(Chem.MolFromSmiles("C1CCCCC1")).atoms) > 6
