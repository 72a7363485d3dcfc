"""Tables of the easiest fragments of a structure, as the intensity network reads them.

Needs RDKit, no torch. Every number is part of a trained network's input: a change needs new weights.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models_ml.evidence.fragments import fragments_of
from models_ml.evidence.ion_shares import (
    N_ATOM_KINDS,
    N_BOND_SLOTS,
    N_FRAGMENT_NUMBERS,
    N_SHIFTS,
    FragmentTable,
)
from models_ml.molecules.cleavage import Fragments
from models_ml.molecules.fragment_ions import (
    SHIFTS_ASCENDING,
    fixed_charges,
    has_multiple_bond_to_hetero_atom,
    neutral_masses,
    possible_shifts,
)
from models_ml.molecules.structure_text import UnusableStructure

# `ranked_ions` limits the effort of an ion and adds effort for unpaired electrons. A table has no such rules.
# It keeps a number of fragments with all their possible ions, and the network learns which of them are rare.
_MAX_FRAGMENTS = 400  # of lowest effort. A drug has fewer than 200 after `_PER_FORMULA`.
_PER_FORMULA = 2
_ELEMENT_COLUMNS = {symbol: column for column, symbol in enumerate(["C", "N", "O", "S", "P"])}
_HALOGENS = frozenset({"F", "Cl", "Br", "I"})
_HALOGEN_COLUMN, _OTHER_COLUMN, _N_ELEMENT_COLUMNS = 5, 6, 7


@lru_cache(maxsize=10_000)  # 20 kB each
def fragment_table(smiles: str, anion: bool) -> FragmentTable:
    """At most `_MAX_FRAGMENTS` fragments. A structure that cannot be fragmented has one row without ions."""
    try:
        fragments = fragments_of(smiles, anion)
    except UnusableStructure:
        return _empty_table()
    rows, n_same_formula, rank = _easiest_of_each_formula(fragments)
    charge = fixed_charges(fragments.mol, fragments.atoms[rows])
    mass = neutral_masses(fragments.counts[rows], fragments.elements)
    n_broken, n_hydrogens = fragments.n_broken[rows], fragments.counts[rows, 1]
    other_charges = charge * (-1 if anion else 1)
    return FragmentTable(
        numbers=_numbers(fragments, rows, n_same_formula, rank, charge, mass),
        bonds=_broken_kinds(fragments, rows),
        mass=mass,
        bare=possible_shifts(n_broken, n_hydrogens, other_charges, SHIFTS_ASCENDING),
        metal=possible_shifts(n_broken, n_hydrogens, other_charges + 1, SHIFTS_ASCENDING),
    )


def _empty_table() -> FragmentTable:
    return FragmentTable(
        numbers=np.zeros((1, N_FRAGMENT_NUMBERS), np.float16),
        bonds=np.zeros((1, N_BOND_SLOTS), np.int16),
        mass=np.zeros(1),
        bare=np.zeros((1, N_SHIFTS), bool),
        metal=np.zeros((1, N_SHIFTS), bool),
    )


def _easiest_of_each_formula(
    fragments: Fragments,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows to keep (R,), how many fragments have the same formula, and the rank by effort among those."""
    weights = np.array([37.0**column for column in range(fragments.counts.shape[1])])
    _, formula, number = np.unique(fragments.counts @ weights, return_inverse=True, return_counts=True)
    order = np.lexsort((fragments.effort, formula))
    starts = np.cumsum(number) - number
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - starts[formula[order]]
    kept = np.flatnonzero(rank < _PER_FORMULA)
    kept = kept[np.argsort(fragments.effort[kept], kind="stable")][:_MAX_FRAGMENTS]
    return kept, number[formula[kept]], rank[kept]


def _numbers(
    fragments: Fragments,
    rows: NDArray[np.int64],
    n_same_formula: NDArray[np.int64],
    rank: NDArray[np.int64],
    charge: NDArray[np.int64],
    mass: NDArray[np.float64],
) -> NDArray[np.float16]:
    """(R, N_FRAGMENT_NUMBERS)."""
    atoms = fragments.atoms[rows]
    n_atoms = atoms.sum(axis=1)
    kept = _element_counts(fragments)[rows]
    lost = kept[0] - kept
    unsaturation = _unsaturation(kept, fragments.counts[rows, 1])
    amines = atoms @ np.array([_is_amine(atom) for atom in fragments.mol.GetAtoms()], np.int64)
    aromatic = atoms @ np.array([atom.GetIsAromatic() for atom in fragments.mol.GetAtoms()], np.int64)
    columns = [
        fragments.effort[rows] / 5,
        np.minimum(fragments.n_broken[rows], 8) / 4,
        np.minimum(fragments.n_stubs[rows], 4) / 3,
        _n_ring_bonds_broken(fragments, rows) / 4,
        n_atoms / n_atoms[0],
        np.log(n_atoms),
        fragments.n_broken[rows] == 0,
        np.log(n_same_formula),
        rank,
        unsaturation / 8,
        (unsaturation[0] - unsaturation) / 8,
        charge,
        mass / 500,
        (mass[0] - mass) / 500,
        aromatic / 10,
        amines,
        amines[0] - amines,
    ]
    counts = np.log1p(np.concatenate([kept, lost], axis=1))
    return np.concatenate([np.stack(columns, axis=1), counts], axis=1).astype(np.float16)


def _element_counts(fragments: Fragments) -> NDArray[np.int64]:
    """(F, 7): carbon, nitrogen, oxygen, sulfur, phosphorus, halogens, others."""
    counts = np.zeros((len(fragments.counts), _N_ELEMENT_COLUMNS), np.int64)
    for index, symbol in enumerate(fragments.elements):
        if symbol != "H":
            column = _HALOGEN_COLUMN if symbol in _HALOGENS else _ELEMENT_COLUMNS.get(symbol, _OTHER_COLUMN)
            counts[:, column] += fragments.counts[:, index]
    return counts


def _unsaturation(elements: NDArray[np.int64], hydrogens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Number of rings and double bonds that the fragment would have as a molecule."""
    carbon, nitrogen, phosphorus, halogen = elements[:, 0], elements[:, 1], elements[:, 4], elements[:, 5]
    unsaturation: NDArray[np.float64] = carbon + 1 + (nitrogen + phosphorus - hydrogens - halogen) / 2
    return unsaturation


def _broken(fragments: Fragments, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(R, bonds): whether the fragment has exactly one atom of the bond."""
    begins = [bond.GetBeginAtomIdx() for bond in fragments.mol.GetBonds()]
    ends = [bond.GetEndAtomIdx() for bond in fragments.mol.GetBonds()]
    atoms = fragments.atoms[rows]
    broken: NDArray[np.bool_] = atoms[:, begins] ^ atoms[:, ends]
    return broken


def _n_ring_bonds_broken(fragments: Fragments, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    in_ring = np.array([bond.IsInRing() for bond in fragments.mol.GetBonds()], np.int64)
    number: NDArray[np.int64] = _broken(fragments, rows).astype(np.int64) @ in_ring
    return number


def _broken_kinds(fragments: Fragments, rows: NDArray[np.int64]) -> NDArray[np.int16]:
    """(R, N_BOND_SLOTS) kinds of broken bonds: atom that stays, atom that leaves, whether in a ring."""
    atom_kinds = [_atom_kind(atom) for atom in fragments.mol.GetAtoms()]
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in fragments.mol.GetBonds()]
    in_ring = [bond.IsInRing() for bond in fragments.mol.GetBonds()]
    bond_kinds = [
        _bond_kinds(atom_kinds[begin], atom_kinds[end], ring)
        for (begin, end), ring in zip(ends, in_ring, strict=True)
    ]
    kinds = np.array(bond_kinds).reshape(-1, 2)
    begins = np.array([begin for begin, _ in ends], np.int64)
    row, bond = np.nonzero(_broken(fragments, rows))
    slot = np.arange(len(row)) - np.searchsorted(row, row)
    has_slot = slot < N_BOND_SLOTS
    row, bond, slot = row[has_slot], bond[has_slot], slot[has_slot]
    begin_stays = fragments.atoms[rows[row], begins[bond]]
    broken = np.zeros((len(rows), N_BOND_SLOTS), np.int16)
    broken[row, slot] = np.where(begin_stays, kinds[bond, 0], kinds[bond, 1])
    return broken


def _bond_kinds(begin: int, end: int, in_ring: bool) -> tuple[int, int]:
    """Kind of the broken bond if its first atom stays, and if its second atom stays."""
    first = 1 + N_ATOM_KINDS**2 * in_ring
    return first + begin * N_ATOM_KINDS + end, first + end * N_ATOM_KINDS + begin


def _atom_kind(atom: Chem.Atom) -> int:
    """One of N_ATOM_KINDS."""
    symbol = atom.GetSymbol()
    if symbol == "C":
        return _carbon_kind(atom)
    if symbol == "N":
        if atom.GetIsAromatic():
            return 4
        return 6 if _is_amine(atom) else 5
    if symbol == "O":
        return 7 if atom.GetDegree() == 1 and not _has_multiple_bond(atom) else 8
    if symbol == "S":
        return 9
    if symbol == "P":
        return 10
    return 11 if symbol in _HALOGENS else 12


def _carbon_kind(atom: Chem.Atom) -> int:
    if atom.GetIsAromatic():
        return 0
    if has_multiple_bond_to_hetero_atom(atom):
        return 1
    return 2 if _has_multiple_bond(atom) else 3


def _is_amine(atom: Chem.Atom) -> bool:
    """A basic nitrogen: neither aromatic nor beside a carbonyl, sulfonyl, imine or nitrile group."""
    if atom.GetSymbol() != "N" or atom.GetIsAromatic() or has_multiple_bond_to_hetero_atom(atom):
        return False
    return not any(has_multiple_bond_to_hetero_atom(neighbour) for neighbour in atom.GetNeighbors())


def _has_multiple_bond(atom: Chem.Atom) -> bool:
    return any(bond.GetBondTypeAsDouble() >= 2 for bond in atom.GetBonds())
