"""Fragments of a molecule: the connected parts that remain when one or two chain bonds or rings break.

Combinatorial: it uses bond types only, no quantum chemistry. Each bond has an effort, an estimate of how hard
it breaks in low-energy collisions, in arbitrary units: about 1 for a glycosidic bond, about 3 for a C-C bond
beside an aromatic ring.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models_ml.molecules.fragment_ions import has_double_bond_to_oxygen_or_sulfur

_NOT_BROKEN = 99.0
_MAX_FIRST_CUTS = 400  # lowest effort first. A drug has fewer than 150, a large peptide or glycoside more.
_MAX_RING = 40
_EASY_PAIRS = {
    frozenset({"N", "O"}): 0.9, frozenset({"N"}): 1.0, frozenset({"O"}): 0.7, frozenset({"S", "N"}): 1.0,
    frozenset({"S"}): 1.0, frozenset({"P", "O"}): 1.0, frozenset({"P", "N"}): 1.0, frozenset({"S", "O"}): 1.0,
    frozenset({"Si", "O"}): 1.6,
}  # fmt: skip
_CARBON_TO = {"N": 1.2, "O": 1.1, "S": 1.2, "Cl": 1.3, "Br": 1.2, "I": 1.0, "F": 2.2, "P": 1.6, "Si": 1.8}


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """F fragments of a molecule with A heavy atoms and E elements. The first one is the whole molecule."""

    mol: Chem.Mol
    atoms: NDArray[np.bool_]  # (F, A)
    effort: NDArray[np.float64]  # (F,) summed over the broken bonds
    n_broken: NDArray[np.int64]  # (F,) broken bonds; a double bond counts twice
    n_stubs: NDArray[np.int64]  # (F,) broken bonds that cut off a single heavy atom, such as OH or CH3
    counts: NDArray[np.int64]  # (F, E) atoms of each element, hydrogens as drawn
    elements: tuple[str, ...]


def enumerate_fragments(mol: Chem.Mol, *, anion: bool = False) -> Fragments:
    """Fragments by at most two cleavages. A cleavage breaks one chain bond or two bonds of one ring.

    In an anion the bond to a carboxyl group breaks easily, because anions lose CO2.
    """
    efforts = [_effort(bond, anion) for bond in mol.GetBonds()]
    neighbours = _neighbour_masks(mol)
    first = _first_cuts(mol, efforts, neighbours)
    whole = (1 << mol.GetNumAtoms()) - 1
    masks = {whole: None} | {mask: None for mask, _, _ in first}
    for (mask_a, _, ring_a), (mask_b, _, ring_b) in combinations(first, 2):
        both = mask_a & mask_b
        if not both or both in masks:
            continue
        # Two cuts of one ring system can leave two separate arcs. All other intersections are connected.
        if ring_a is not None and ring_a == ring_b and _component(both, neighbours) != both:
            continue
        masks[both] = None
    return _describe(mol, list(masks), np.array(efforts))


def _effort(bond: Chem.Bond, anion: bool) -> float:
    """Effort of a chain bond, or of a ring bond as one of the two that break."""
    begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
    symbols = {begin.GetSymbol(), end.GetSymbol()}
    order = float(bond.GetBondTypeAsDouble())
    if bond.GetIsAromatic():
        return _aromatic_effort(bond)
    if order > 1:
        return 3.2 if symbols == {"C", "N"} else 4.0 if symbols == {"C"} and bond.IsInRing() else _NOT_BROKEN
    if "C" not in symbols:
        return _EASY_PAIRS.get(frozenset(symbols), 1.5)
    # A methyl group leaves as methane or as a radical; both are unfavourable.
    methyl = 0.9 * any(atom.GetDegree() == 1 and atom.GetSymbol() == "C" for atom in (begin, end))
    if symbols == {"C"}:
        return _carbon_carbon_effort(bond, anion) + methyl
    other = next(atom for atom in (begin, end) if atom.GetSymbol() != "C")
    return _carbon_hetero_effort(bond.GetOtherAtom(other), other, anion) + methyl


def _aromatic_effort(bond: Chem.Bond) -> float:
    """Heteroaromatic rings open (caffeine loses CH3NCO, flavones split in two). Benzene rings do not."""
    if not _in_heteroaromatic_ring(bond):
        return _NOT_BROKEN
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    at_carbonyl = any(has_double_bond_to_oxygen_or_sulfur(atom) for atom in ends)
    if any(atom.GetAtomicNum() != 6 for atom in ends):
        return 1.3 if at_carbonyl else 2.1
    return 1.8 if at_carbonyl else 2.6


def _carbon_carbon_effort(bond: Chem.Bond, anion: bool) -> float:
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    if anion and any(_is_carboxyl(atom) for atom in ends):
        return 0.6
    beside_hetero = any(_has_hetero_neighbour(atom, bond) for atom in ends)
    aromatic = sum(int(atom.GetIsAromatic()) for atom in ends)
    return (1.7 if beside_hetero else 2.4) + 0.7 * aromatic


def _carbon_hetero_effort(carbon: Chem.Atom, other: Chem.Atom, anion: bool) -> float:
    effort = _CARBON_TO.get(str(other.GetSymbol()), 1.5)
    if carbon.GetIsAromatic():
        return effort + (0.9 if other.GetSymbol() == "N" else 1.6)
    if anion and _is_carboxyl(carbon):
        return effort + 0.6
    if has_double_bond_to_oxygen_or_sulfur(carbon):
        return effort - 0.2  # the acylium is stable
    if any(atom.GetSymbol() == "O" for atom in carbon.GetNeighbors() if atom.GetIdx() != other.GetIdx()):
        return effort - 0.3  # glycosidic: the oxonium is stable
    return effort


def _is_carboxyl(atom: Chem.Atom) -> bool:
    oxygens = [n for n in atom.GetNeighbors() if n.GetSymbol() == "O" and n.GetDegree() == 1]
    return atom.GetSymbol() == "C" and len(oxygens) == 2


def _in_heteroaromatic_ring(bond: Chem.Bond) -> bool:
    mol = bond.GetOwningMol()
    return any(
        bond.GetIdx() in ring_bonds and any(mol.GetAtomWithIdx(index).GetAtomicNum() != 6 for index in ring)
        for ring, ring_bonds in zip(mol.GetRingInfo().AtomRings(), mol.GetRingInfo().BondRings(), strict=True)
    )


def _has_hetero_neighbour(atom: Chem.Atom, bond: Chem.Bond) -> bool:
    partner = bond.GetOtherAtomIdx(atom.GetIdx())
    return any(n.GetAtomicNum() != 6 for n in atom.GetNeighbors() if n.GetIdx() != partner)


def _neighbour_masks(mol: Chem.Mol) -> list[int]:
    masks = [0] * mol.GetNumAtoms()
    for bond in mol.GetBonds():
        begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        masks[begin] |= 1 << end
        masks[end] |= 1 << begin
    return masks


def _component(allowed: int, neighbours: list[int], start: int | None = None) -> int:
    """Atoms of `allowed` that are connected to its lowest atom, or to `start`."""
    seen = front = allowed & -allowed if start is None else 1 << start
    while front:
        reached = 0
        while front:
            lowest = front & -front
            reached |= neighbours[lowest.bit_length() - 1]
            front ^= lowest
        front = reached & allowed & ~seen
        seen |= front
    return seen


def _first_cuts(
    mol: Chem.Mol, efforts: list[float], neighbours: list[int]
) -> list[tuple[int, float, int | None]]:
    """(fragment mask, effort, ring system or None) for each side of each cleavage, lowest effort first."""
    whole = (1 << mol.GetNumAtoms()) - 1
    found: dict[int, tuple[float, int | None]] = {}
    for bonds, ring_system in _cleavages(mol, efforts):
        cut = list(neighbours)
        for bond in bonds:
            begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            cut[begin] &= ~(1 << end)
            cut[end] &= ~(1 << begin)
        side = _component(whole, cut, bonds[0].GetBeginAtomIdx())
        if side == whole:
            continue  # two bonds of a fused system do not always split it
        effort = sum(efforts[bond.GetIdx()] for bond in bonds)
        for mask in (side, whole & ~side):
            if mask not in found or effort < found[mask][0]:
                found[mask] = (effort, ring_system)
    cuts = [(mask, effort, ring) for mask, (effort, ring) in found.items()]
    return sorted(cuts, key=lambda cut: (cut[1], cut[0]))[:_MAX_FIRST_CUTS]


def _cleavages(mol: Chem.Mol, efforts: list[float]) -> Iterator[tuple[tuple[Chem.Bond, ...], int | None]]:
    """Every chain bond, and every pair of bonds of one ring with the number of the ring system."""
    for bond in mol.GetBonds():
        if not bond.IsInRing() and efforts[bond.GetIdx()] < _NOT_BROKEN:
            yield (bond,), None
    bond_rings = [ring for ring in mol.GetRingInfo().BondRings() if len(ring) <= _MAX_RING]
    systems = _ring_systems(mol)
    for ring in bond_rings:
        breakable = [index for index in ring if efforts[index] < _NOT_BROKEN]
        for first, second in combinations(breakable, 2):
            bonds = (mol.GetBondWithIdx(first), mol.GetBondWithIdx(second))
            yield bonds, systems[bonds[0].GetBeginAtomIdx()]


def _ring_systems(mol: Chem.Mol) -> dict[int, int]:
    """Number of the ring system of each ring atom. Rings that share an atom are one system."""
    systems: list[set[int]] = []
    for ring in mol.GetRingInfo().AtomRings():
        joined = [system for system in systems if system & set(ring)]
        systems = [system for system in systems if system not in joined] + [set(ring).union(*joined)]
    return {atom: number for number, system in enumerate(systems) for atom in system}


def _describe(mol: Chem.Mol, masks: list[int], efforts: NDArray[np.float64]) -> Fragments:
    n_atoms = mol.GetNumAtoms()
    n_bytes = (n_atoms + 7) // 8
    packed = np.frombuffer(b"".join(mask.to_bytes(n_bytes, "little") for mask in masks), dtype=np.uint8)
    atoms = np.unpackbits(packed.reshape(-1, n_bytes), axis=1, bitorder="little")[:, :n_atoms].astype(bool)
    begins = np.array([bond.GetBeginAtomIdx() for bond in mol.GetBonds()], dtype=np.int64)
    ends = np.array([bond.GetEndAtomIdx() for bond in mol.GetBonds()], dtype=np.int64)
    orders = np.array([1 if b.GetIsAromatic() else round(b.GetBondTypeAsDouble()) for b in mol.GetBonds()])
    broken = atoms[:, begins] ^ atoms[:, ends]
    terminal = np.array([atom.GetDegree() == 1 for atom in mol.GetAtoms()], dtype=bool)
    stubs = broken & np.where(atoms[:, begins], terminal[ends], terminal[begins])
    elements = tuple(dict.fromkeys(["C", "H", *(atom.GetSymbol() for atom in mol.GetAtoms())]))
    composition = np.zeros((n_atoms, len(elements)), dtype=np.int64)
    for atom in mol.GetAtoms():
        composition[atom.GetIdx(), elements.index(atom.GetSymbol())] += 1
        composition[atom.GetIdx(), 1] += atom.GetTotalNumHs()
    return Fragments(
        mol=mol,
        atoms=atoms,
        effort=broken @ efforts if len(efforts) else np.zeros(len(masks)),
        n_broken=broken.astype(np.int64) @ orders.astype(np.int64),
        n_stubs=stubs.sum(axis=1),
        counts=atoms.astype(np.int64) @ composition,
        elements=elements,
    )
