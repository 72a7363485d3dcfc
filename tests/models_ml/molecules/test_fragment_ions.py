"""The rules of fragment ions, and the differences between their readers that trained weights depend on."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from models_ml.evidence.ion_shares import N_SHIFTS
from models_ml.molecules.fragment_ions import (
    SHIFTS_ASCENDING,
    SHIFTS_SMALLEST_FIRST,
    carrier_metals,
    fixed_charges,
    has_double_bond_to_oxygen_or_sulfur,
    has_multiple_bond_to_hetero_atom,
    ion_mz,
    ion_sign,
    possible_shifts,
    table_metal,
)


def test_shifts_are_the_columns_of_the_fragment_table() -> None:
    assert len(SHIFTS_ASCENDING) == N_SHIFTS
    assert set(SHIFTS_ASCENDING) == set(SHIFTS_SMALLEST_FIRST)
    assert (np.diff(SHIFTS_ASCENDING) == 1).all()
    assert (np.diff(np.abs(SHIFTS_SMALLEST_FIRST)) >= 0).all()


@pytest.mark.parametrize(
    ("adduct", "metals", "in_table"),
    [
        ("[M+H]+", (), ""),
        ("[M+NH4]+", (), ""),
        ("[M+Cl]-", (), ""),
        ("[M+Na]+", ("Na",), "Na"),
        ("[M-H+2Na]+", ("Na",), "Na"),
        ("[M-H+Na+K]+", ("Na", "K"), "K"),
    ],
)
def test_a_table_holds_one_metal(adduct: str, metals: tuple[str, ...], in_table: str) -> None:
    assert carrier_metals(adduct) == metals
    assert table_metal(adduct) == in_table


@pytest.mark.parametrize(
    ("n_broken", "n_hydrogens", "n_other_charges", "expected"),
    [
        (0, 9, 0, [-1, 0, 1]),
        (1, 9, 0, [-2, -1, 0, 1, 2]),
        (5, 9, 0, [-3, -2, -1, 0, 1, 2, 3]),  # no more than for two broken bonds
        (1, 9, 1, [-1, 0, 1]),  # a metal replaces the hydrogen of the charge
        (1, 9, 2, [-1, 0, 1]),
        (2, 1, 0, [-1, 0, 1, 2, 3]),  # it cannot lose more hydrogens than it has
    ],
)
def test_possible_shifts(n_broken: int, n_hydrogens: int, n_other_charges: int, expected: list[int]) -> None:
    (possible,) = possible_shifts(
        np.array([n_broken]), np.array([n_hydrogens]), np.array([n_other_charges]), SHIFTS_ASCENDING
    )
    assert SHIFTS_ASCENDING[possible].tolist() == expected


def test_ion_mz_counts_hydrogens_electrons_and_the_metal() -> None:
    benzaldehyde = np.array([106.041865])
    assert ion_mz(benzaldehyde, np.array([1]), 1) == pytest.approx(107.049141, abs=1e-6)
    assert ion_mz(benzaldehyde, np.array([-1]), -1) == pytest.approx(105.034589, abs=1e-6)
    assert ion_mz(benzaldehyde, np.array([0]), 1, "Na") == pytest.approx(129.031086, abs=1e-6)
    assert (ion_sign("[M+2H]2+"), ion_sign("[M-H]-")) == (1, -1)


def test_fixed_charges_belong_to_the_atoms_that_are_kept() -> None:
    choline = Chem.MolFromSmiles("C[N+](C)(C)CCO")
    atoms = np.ones((2, choline.GetNumAtoms()), bool)
    atoms[1, 1] = False
    assert fixed_charges(choline, atoms).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("smiles", "strict", "wide"),
    [
        ("CC(C)=O", True, True),
        ("CC(C)=S", True, True),
        ("CC(C)=N", False, True),
        ("CC#N", False, True),
        ("CC(C)=C", False, False),
        ("Cc1ccccn1", False, False),
    ],
)
def test_the_two_rules_of_bonds_to_hetero_atoms_differ_for_nitrogen(
    smiles: str, strict: bool, wide: bool
) -> None:
    carbon = Chem.MolFromSmiles(smiles).GetAtomWithIdx(1)
    assert has_double_bond_to_oxygen_or_sulfur(carbon) is strict
    assert has_multiple_bond_to_hetero_atom(carbon) is wide
