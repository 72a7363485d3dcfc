"""A candidate's fragments as numbers for the network that predicts their peaks, and which peaks they meet.

Needs RDKit, no torch. Where `fragments` tells the easiest fragment of each measured peak, here are all ions
that the candidate could give, so that a predicted peak which was not measured counts too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models_ml.evidence.fragments import (
    LEAST_TOLERANCE_DA,
    MAX_PEAKS,
    TOLERANCE_PPM,
    Strongest,
    fragments_of,
)
from models_ml.evidence.ion_shares import (
    N_ATOM_KINDS,
    N_BOND_SLOTS,
    N_FRAGMENT_NUMBERS,
    N_SHIFTS,
    FragmentTable,
    PairIons,
    SpectrumPeaks,
    conditions,
)
from models_ml.molecules.cleavage import Fragments
from models_ml.molecules.formula import ELECTRON_MASS, formula_mass
from models_ml.molecules.structure_text import UnusableStructure
from models_ml.spectra.adducts import parse as parse_adduct

_SHIFTS = np.arange(N_SHIFTS) - N_SHIFTS // 2
_MOST_FRAGMENTS = 400  # the easiest; a drug has under 200 after `_PER_FORMULA`
_PER_FORMULA = 2
_ABOVE_PRECURSOR_DA = 2.0  # its isotopes; what is heavier cannot be its fragment
_METALS = ("Na", "K", "Li")
_HYDROGEN = formula_mass({"H": 1})
_ELEMENTS = {symbol: place for place, symbol in enumerate(["C", "N", "O", "S", "P"])}
_HALOGENS = frozenset({"F", "Cl", "Br", "I"})
_N_ELEMENTS = 7


def spectrum_peaks(
    peaks: Strongest, adduct: int, energy: float, energy_kind: int, precursor_mz: float
) -> SpectrumPeaks:
    """`adduct`, `energy`, `energy_kind` as in SpectrumFeatures."""
    numbers = [
        peaks.intensity,
        peaks.of_precursor,
        peaks.mz / 500,
        np.full(len(peaks.mz), len(peaks.mz) / MAX_PEAKS),
    ]
    return SpectrumPeaks(
        conditions(adduct, energy, energy_kind, precursor_mz),
        np.stack(numbers, axis=1).astype(np.float32),
        peaks.weight,
    )


def candidate_ions(
    peaks: Strongest, smiles: Sequence[str], adduct: str, precursor_mz: float
) -> list[PairIons]:
    """One `PairIons` a candidate. A structure that cannot be fragmented has the precursor alone."""
    tolerance = np.maximum(peaks.mz * TOLERANCE_PPM * 1e-6, LEAST_TOLERANCE_DA)
    anion = parse_adduct(adduct).charge < 0
    found: list[PairIons] = []
    for one in smiles:
        table = fragment_table(one, anion)
        mz, exists = ion_places(table, adduct, precursor_mz)
        ions, places = _meet(mz, exists, peaks.mz, tolerance)
        packed = np.packbits(exists, axis=1)
        found.append(PairIons(table, packed, ions.astype(np.int32), places.astype(np.uint8)))
    return found


@lru_cache(maxsize=10_000)  # as the ions of `fragments`; 20 kB each
def fragment_table(smiles: str, anion: bool) -> FragmentTable:
    try:
        fragments = fragments_of(smiles, anion)
    except UnusableStructure:
        return _nothing_known()
    rows, alike, place = _easiest_of_each_formula(fragments)
    sign = -1 if anion else 1
    charges = np.array([atom.GetFormalCharge() for atom in fragments.mol.GetAtoms()])
    charge = fragments.atoms[rows].astype(np.int64) @ charges
    neutral = fragments.counts[rows] @ np.array([formula_mass({symbol: 1}) for symbol in fragments.elements])
    return FragmentTable(
        numbers=_numbers(fragments, rows, alike, place, charge, neutral),
        bonds=_broken_kinds(fragments, rows),
        mass=neutral,
        bare=_possible_shifts(fragments, rows, charge * sign),
        metal=_possible_shifts(fragments, rows, charge * sign + 1),
    )


def ion_places(
    table: FragmentTable, adduct: str, precursor_mz: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """m/z of the ions of a table (R, N_COLUMNS), and which of them exist with this adduct."""
    ion = parse_adduct(adduct)
    sign = 1 if ion.charge > 0 else -1
    metals = [symbol for symbol, count in ion.composition if count > 0 and symbol in _METALS]
    bare = table.mass[:, None] + _SHIFTS * _HYDROGEN - sign * ELECTRON_MASS
    metal = bare + (formula_mass({metals[0]: 1}) if metals else 0.0)
    precursor = np.full((len(bare), 1), precursor_mz)
    whole = np.zeros((len(bare), 1), bool)
    whole[0] = True
    mz = np.concatenate([bare, metal, precursor], axis=1)
    exists = np.concatenate([table.bare, table.metal & bool(metals), whole], axis=1)
    return mz, exists & (mz < precursor_mz + _ABOVE_PRECURSOR_DA)


def _meet(
    ion_mz: NDArray[np.float64],
    exists: NDArray[np.bool_],
    peak_mz: NDArray[np.float64],
    tolerance: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat places of the ions that lie at a peak, and the nearest peak of each."""
    if not len(peak_mz):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(peak_mz, kind="stable")
    ascending = peak_mz[order]
    flat = np.flatnonzero(exists)
    here = ion_mz.ravel()[flat]
    after = np.searchsorted(ascending, here).clip(0, len(ascending) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(ascending[before] - here) <= np.abs(ascending[after] - here), before, after)
    meets = np.abs(ascending[nearest] - here) <= tolerance[order[nearest]]
    return flat[meets], order[nearest[meets]]


def _nothing_known() -> FragmentTable:
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
    allowed: NDArray[np.bool_] = (np.abs(_SHIFTS) <= reach[:, None]) & (hydrogens[:, None] + _SHIFTS >= 0)
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
