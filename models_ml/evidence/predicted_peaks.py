"""A structure's fragments as numbers for a network that predicts their peaks, and which peaks they meet.

Needs RDKit, no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models_ml.molecules.cleavage import Fragments, enumerate_fragments
from models_ml.molecules.formula import ELECTRON_MASS, formula_mass
from models_ml.molecules.structure_text import parse_structure
from models_ml.spectra.adducts import parse as parse_adduct

N_FRAGMENT_NUMBERS = 31
N_BOND_SLOTS = 4  # two ring cuts break four bonds; what breaks more is described by its first four
N_ATOM_KINDS = 13
N_BOND_KINDS = 1 + 2 * N_ATOM_KINDS**2  # 0: no bond
SHIFTS = np.arange(-3, 4)  # hydrogens beyond those drawn
# Ions of a fragment: bare at each shift, with the adduct's metal at each shift; of the whole molecule also
# the measured precursor, which ammonium or chloride adducts do not share with any fragment.
N_COLUMNS = 2 * len(SHIFTS) + 1
_MOST_FRAGMENTS = 400
_PER_FORMULA = 2
_METALS = ("Na", "K", "Li")
_HYDROGEN = formula_mass({"H": 1})
_ELEMENTS = {symbol: place for place, symbol in enumerate(["C", "N", "O", "S", "P"])}
_HALOGENS = frozenset({"F", "Cl", "Br", "I"})
_N_ELEMENTS = 7


@dataclass(frozen=True, slots=True, eq=False)
class FragmentTable:
    """R fragments of a structure, the whole first, then the easiest of each formula."""

    numbers: NDArray[np.float16]  # (R, N_FRAGMENT_NUMBERS)
    bonds: NDArray[np.int16]  # (R, N_BOND_SLOTS) kinds of the broken bonds
    mass: NDArray[np.float64]  # (R,) of the neutral fragment as drawn
    bare: NDArray[np.bool_]  # (R, shifts) ions that exist without a metal
    metal: NDArray[np.bool_]  # (R, shifts) and with one


@dataclass(frozen=True, slots=True, eq=False)
class Ions:
    """The ions of a table for one adduct."""

    mz: NDArray[np.float64]  # (R, N_COLUMNS)
    exists: NDArray[np.bool_]  # (R, N_COLUMNS)


@lru_cache(maxsize=5_000)
def fragment_table(smiles: str, anion: bool) -> FragmentTable:
    """Raises UnusableStructure for a text that is no structure."""
    fragments = enumerate_fragments(parse_structure(smiles), anion=anion)
    rows, alike, place = _easiest_of_each_formula(fragments)
    sign = -1 if anion else 1
    charge = fragments.atoms[rows].astype(np.int64) @ np.array(
        [atom.GetFormalCharge() for atom in fragments.mol.GetAtoms()]
    )
    neutral = fragments.counts[rows] @ np.array([formula_mass({symbol: 1}) for symbol in fragments.elements])
    return FragmentTable(
        numbers=_numbers(fragments, rows, alike, place, charge, neutral),
        bonds=_broken_kinds(fragments, rows),
        mass=neutral,
        bare=_possible_shifts(fragments, rows, charge * sign),
        metal=_possible_shifts(fragments, rows, charge * sign + 1),
    )


def ions_of(table: FragmentTable, adduct: str, precursor_mz: float) -> Ions:
    """Column by column: bare at each shift, with a metal at each shift, the precursor."""
    ion = parse_adduct(adduct)
    sign = 1 if ion.charge > 0 else -1
    metals = [symbol for symbol, count in ion.composition if count > 0 and symbol in _METALS]
    bare = table.mass[:, None] + SHIFTS * _HYDROGEN - sign * ELECTRON_MASS
    metal = bare + (formula_mass({metals[0]: 1}) if metals else 0.0)
    precursor = np.full((len(bare), 1), precursor_mz)
    whole = np.zeros((len(bare), 1), bool)
    whole[0] = True
    mz = np.concatenate([bare, metal, precursor], axis=1)
    exists = np.concatenate([table.bare, table.metal & bool(metals), whole], axis=1)
    return Ions(mz, exists & (mz < precursor_mz + 2.0))


def meet_peaks(
    ions: Ions, mz: NDArray[np.float64], tolerance: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat places in (R, N_COLUMNS) of the ions that lie at a peak, and the nearest peak of each."""
    if not len(mz):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(mz, kind="stable")
    ascending = mz[order]
    flat = np.flatnonzero(ions.exists)
    here = ions.mz.ravel()[flat]
    after = np.searchsorted(ascending, here).clip(1, max(len(mz) - 1, 1)).clip(0, len(mz) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(ascending[before] - here) <= np.abs(ascending[after] - here), before, after)
    meets = np.abs(ascending[nearest] - here) <= tolerance[order[nearest]]
    return flat[meets], order[nearest[meets]]


def _easiest_of_each_formula(
    fragments: Fragments,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows to keep, how many fragments share the formula of each, and its place among those."""
    weights = np.array([37.0**place for place in range(fragments.counts.shape[1])])
    _, formula, number = np.unique(fragments.counts @ weights, return_inverse=True, return_counts=True)
    order = np.lexsort((fragments.effort, formula))
    starts = np.cumsum(number) - number
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - starts[formula[order]]
    kept = np.flatnonzero(place < _PER_FORMULA)
    kept = kept[np.argsort(fragments.effort[kept], kind="stable")][:_MOST_FRAGMENTS]
    return kept, number[formula[kept]], place[kept]


def _possible_shifts(
    fragments: Fragments, rows: NDArray[np.int64], standing_in: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """As in models_ml.molecules.fragmentation; `standing_in`: charges that are there without a hydrogen."""
    broken = np.minimum(fragments.n_broken[rows], 2)
    reach = broken + 1 - np.minimum(standing_in, 1)
    hydrogens = fragments.counts[rows, 1]
    allowed: NDArray[np.bool_] = (np.abs(SHIFTS) <= reach[:, None]) & (hydrogens[:, None] + SHIFTS >= 0)
    return allowed


def _numbers(
    fragments: Fragments,
    rows: NDArray[np.int64],
    alike: NDArray[np.int64],
    place: NDArray[np.int64],
    charge: NDArray[np.int64],
    neutral: NDArray[np.float64],
) -> NDArray[np.float16]:
    atoms = fragments.atoms[rows]
    n_atoms = atoms.sum(axis=1)
    kept = _element_counts(fragments)[rows]
    lost = kept[0] - kept
    unsaturation = _unsaturation(kept, fragments.counts[rows, 1])
    amine = np.array([_is_amine(atom) for atom in fragments.mol.GetAtoms()])
    amines = atoms @ amine.astype(np.int64)
    aromatic = atoms @ np.array([atom.GetIsAromatic() for atom in fragments.mol.GetAtoms()], np.int64)
    columns = [
        fragments.effort[rows] / 5,
        np.minimum(fragments.n_broken[rows], 8) / 4,
        np.minimum(fragments.n_stubs[rows], 4) / 3,
        _n_ring_bonds_broken(fragments, rows) / 4,
        n_atoms / n_atoms[0],
        np.log(n_atoms),
        fragments.n_broken[rows] == 0,
        np.log(alike),
        place,
        unsaturation / 8,
        (unsaturation[0] - unsaturation) / 8,
        charge,
        neutral / 500,
        (neutral[0] - neutral) / 500,
        aromatic / 10,
        amines,
        amines[0] - amines,
    ]
    counts = np.log1p(np.concatenate([kept, lost], axis=1))
    return np.concatenate([np.stack(columns, axis=1), counts], axis=1).astype(np.float16)


def _element_counts(fragments: Fragments) -> NDArray[np.int64]:
    """(F, 7): carbon, nitrogen, oxygen, sulfur, phosphorus, halogens, others."""
    counts = np.zeros((len(fragments.counts), _N_ELEMENTS), np.int64)
    for column, symbol in enumerate(fragments.elements):
        if symbol != "H":
            place = 5 if symbol in _HALOGENS else _ELEMENTS.get(symbol, 6)
            counts[:, place] += fragments.counts[:, column]
    return counts


def _unsaturation(elements: NDArray[np.int64], hydrogens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rings and double bonds of the fragment, as if it were a molecule."""
    carbon, nitrogen, phosphorus, halogen = elements[:, 0], elements[:, 1], elements[:, 4], elements[:, 5]
    found: NDArray[np.float64] = carbon + 1 + (nitrogen + phosphorus - hydrogens - halogen) / 2
    return found


def _broken(fragments: Fragments, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    begins = [bond.GetBeginAtomIdx() for bond in fragments.mol.GetBonds()]
    ends = [bond.GetEndAtomIdx() for bond in fragments.mol.GetBonds()]
    atoms = fragments.atoms[rows]
    broken: NDArray[np.bool_] = atoms[:, begins] ^ atoms[:, ends]
    return broken


def _n_ring_bonds_broken(fragments: Fragments, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    in_ring = np.array([bond.IsInRing() for bond in fragments.mol.GetBonds()], np.int64)
    found: NDArray[np.int64] = _broken(fragments, rows).astype(np.int64) @ in_ring
    return found


def _broken_kinds(fragments: Fragments, rows: NDArray[np.int64]) -> NDArray[np.int16]:
    """Of each broken bond the atom that stays, the atom that goes, and whether the bond is of a ring."""
    kind = [_atom_kind(atom) for atom in fragments.mol.GetAtoms()]
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in fragments.mol.GetBonds()]
    ring = [bond.IsInRing() for bond in fragments.mol.GetBonds()]
    pairs = zip(ends, ring, strict=True)
    kinds = np.array([_bond_kinds(kind[a], kind[b], is_ring) for (a, b), is_ring in pairs]).reshape(-1, 2)
    begins = np.array([begin for begin, _ in ends], np.int64)
    row, bond = np.nonzero(_broken(fragments, rows))
    within = np.arange(len(row)) - np.searchsorted(row, row)
    some = within < N_BOND_SLOTS
    row, bond, within = row[some], bond[some], within[some]
    stays = fragments.atoms[rows[row], begins[bond]]
    found = np.zeros((len(rows), N_BOND_SLOTS), np.int16)
    found[row, within] = np.where(stays, kinds[bond, 0], kinds[bond, 1])
    return found


def _bond_kinds(begin: int, end: int, in_ring: bool) -> tuple[int, int]:
    """Of a bond whose first atom stays, and whose second atom stays."""
    first = 1 + N_ATOM_KINDS**2 * in_ring
    return first + begin * N_ATOM_KINDS + end, first + end * N_ATOM_KINDS + begin


def _atom_kind(atom: Chem.Atom) -> int:
    symbol = atom.GetSymbol()
    if symbol == "C":
        if atom.GetIsAromatic():
            return 0
        if _has_double_to_hetero(atom):
            return 1
        return 2 if _has_double(atom) else 3
    if symbol == "N":
        if atom.GetIsAromatic():
            return 4
        return 6 if _is_amine(atom) else 5
    if symbol == "O":
        return 7 if atom.GetDegree() == 1 and not _has_double(atom) else 8
    if symbol == "S":
        return 9
    if symbol == "P":
        return 10
    return 11 if symbol in _HALOGENS else 12


def _is_amine(atom: Chem.Atom) -> bool:
    """A nitrogen that a proton likes: neither aromatic nor beside a carbonyl or sulfonyl group."""
    if atom.GetSymbol() != "N" or atom.GetIsAromatic() or _has_double_to_hetero(atom):
        return False
    return not any(_has_double_to_hetero(other) for other in atom.GetNeighbors())


def _has_double(atom: Chem.Atom) -> bool:
    return any(bond.GetBondTypeAsDouble() >= 2 for bond in atom.GetBonds())


def _has_double_to_hetero(atom: Chem.Atom) -> bool:
    return any(
        bond.GetBondTypeAsDouble() >= 2 and bond.GetOtherAtom(atom).GetSymbol() in {"O", "S", "N"}
        for bond in atom.GetBonds()
    )
