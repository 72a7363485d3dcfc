"""One rule for metals, whether a structure draws their bonds or draws them as separate ions.

- Alkali metals and heavy alkaline earths are counter-ions. They are removed.
- A metal that binds carbon or the nitrogens of a macrocycle (methylmercury, chlorophyll, cobalamin), and any
  metal that usually forms stable complexes (platinum), belongs to the measured molecule. Drawn with bonds,
  the structure stays whole. Drawn apart, it is refused: the bonds are unknown, and the ligand alone is not
  the molecule.
- Other metals are counter-ions, such as zinc in a carboxylate. They are removed.
"""

from __future__ import annotations

from rdkit import Chem

from models_ml.molecules.structure_text import UnusableStructure

_ALKALI = frozenset({3, 11, 19, 37, 55, 87, 20, 38, 56, 88})  # Li to Fr, Ca to Ra
# Mg, Al, Mn, Fe, Co, Ni, Cu, Zn, Ag, Sn, Hg, Pb, Bi, Be: salts, unless they bind carbon or a macrocycle.
_LABILE = frozenset({4, 12, 13, 25, 26, 27, 28, 29, 30, 47, 50, 80, 82, 83})
_COMPLEXING = frozenset({*range(21, 25), 31, *range(39, 47), 48, 49, *range(57, 80), 81, *range(89, 104)})
# Elements that no measured molecule has and whose symbols abbreviate groups: Pr, Ac, Ts, Am, Np, Bh, Lv, …
_ABBREVIATIONS = {"Pr": "propyl", "Ac": "acetyl", "Ts": "tosyl", "Am": "amyl", "Bh": "benzhydryl"}
_NEVER_MEASURED = frozenset({59, 89, 91, *range(93, 119)})
_METALS = _ALKALI | _LABILE | _COMPLEXING
# Written as "none of the other elements", the most frequent first: three times as fast as a list of metals.
_METAL = Chem.MolFromSmarts(
    "[!#6;!#7;!#8;!#16;!#9;!#17;!#1;!#15;!#35;!#53;!#14;!#5;!#34;!#0;!#33;!#32;!#52;!#51;"
    "!#2;!#10;!#18;!#36;!#54;!#84;!#85;!#86]"
)
_CARBANION = Chem.MolFromSmarts("[#6-;!$([-]~[+])]")
_RING_NITROGEN = Chem.MolFromSmarts("[#7;R;!$([#7]-C=O)]")
_MACROCYCLE_ATOMS = 12
_MACROCYCLE_NITROGENS = 3
_COVALENT = {
    Chem.BondType.SINGLE: 1,
    Chem.BondType.DOUBLE: 2,
    Chem.BondType.TRIPLE: 3,
}
_REMEDY = "Draw the bonds of the metal, or import the ligand instead if that is what was measured."


def contains_metal(mol: Chem.Mol) -> bool:
    return bool(mol.HasSubstructMatch(_METAL))


def has_bound_metal(mol: Chem.Mol) -> bool:
    return any(atom.GetDegree() for atom in mol.GetAtoms() if atom.GetAtomicNum() in _METALS)


def without_counter_metals(mol: Chem.Mol) -> Chem.Mol:
    """The structure with the bonds of counter-ions cut. Raises UnusableStructure for a complex in parts."""
    rings = _nitrogens_of_macrocycles(mol)
    carbanions = {match[0] for match in mol.GetSubstructMatches(_CARBANION)}
    edited = Chem.RWMol(mol)
    for atom in mol.GetAtoms():
        number = atom.GetAtomicNum()
        if number not in _METALS:
            continue
        neighbours = list(atom.GetNeighbors())
        if number not in _ALKALI:
            if not neighbours:
                _refuse_apart(atom, n_atoms=mol.GetNumAtoms(), carbanions=bool(carbanions), rings=bool(rings))
            if number in _COMPLEXING or any(
                other.GetAtomicNum() == 6 or other.GetIdx() in rings for other in neighbours
            ):
                continue
        for bond in atom.GetBonds():
            _cut(edited, bond, atom.GetIdx())
    Chem.SanitizeMol(edited)
    return edited.GetMol()


def refuse_lost_centre(parts: Chem.Mol, parent: Chem.Mol) -> None:
    """Refuse a structure whose complexing metal is not in the fragment that was chosen as its parent."""
    lost = _symbols(parts, _COMPLEXING) - _symbols(parent, _COMPLEXING)
    if lost:
        raise UnusableStructure(
            "metal_complex",
            f"The structure is a complex of {', '.join(sorted(lost))}, and the metal is drawn apart from its "
            "ligands.",
            _REMEDY,
        )


def refuse_inorganic_metal(parent: Chem.Mol) -> None:
    """Refuse a molecule with a metal and without carbon, such as cisplatin."""
    if (symbols := _symbols(parent, _METALS)) and not has_carbon(parent):
        raise UnusableStructure(
            "inorganic",
            f"The structure contains {', '.join(sorted(symbols))} and no carbon, so it is inorganic.",
            "Remove it: the library holds organic molecules.",
        )


def refuse_abbreviations(mol: Chem.Mol) -> None:
    """Refuse "[Ac]" and other symbols of rare elements, which often stand for a group."""
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() in _NEVER_MEASURED:
            symbol = atom.GetSymbol()
            group = _ABBREVIATIONS.get(symbol)
            meant = f" Where it stands for {group}, draw the group." if group else ""
            raise UnusableStructure(
                "abbreviation",
                f"The structure contains the element {symbol}, which no library molecule has.",
                f"Draw all atoms.{meant}",
            )


def refuse_lone_atom(parent: Chem.Mol) -> None:
    """Refuse a salt such as sodium chloride: HCl is not the molecule that was meant."""
    if parent.GetNumHeavyAtoms() == 1 and not has_carbon(parent):
        raise UnusableStructure(
            "inorganic",
            "The structure is a salt without carbon.",
            "Remove it: the library holds organic molecules.",
        )


def has_carbon(mol: Chem.Mol) -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms())


def true_reason(mol: Chem.Mol) -> tuple[str, str] | None:
    """Code and reason for a structure that has no standard form because it is not organic. None: it is."""
    if symbols := _symbols(mol, _LABILE | _COMPLEXING):
        bound = any(
            neighbour.GetAtomicNum() == 6
            for atom in mol.GetAtoms()
            if atom.GetAtomicNum() in _METALS
            for neighbour in atom.GetNeighbors()
        )
        names = ", ".join(sorted(symbols))
        if bound:
            return (
                "organometallic",
                f"The structure contains {names} bound to carbon, and has no standard form",
            )
        return "metal_complex", f"The structure is a complex of {names} and has no standard form"
    if not has_carbon(mol):
        return "inorganic", "The structure contains no carbon and has no neutral form"
    return None


def _refuse_apart(metal: Chem.Atom, *, n_atoms: int, carbanions: bool, rings: bool) -> None:
    symbol = metal.GetSymbol()
    if carbanions:
        raise UnusableStructure(
            "organometallic",
            f"The structure contains {symbol}, drawn apart from the carbon that it binds.",
            _REMEDY,
        )
    if rings or (metal.GetAtomicNum() in _COMPLEXING and n_atoms > 1):
        raise UnusableStructure(
            "metal_complex",
            f"The structure is a complex of {symbol}, and the metal is drawn apart from its ligands.",
            _REMEDY,
        )


def _nitrogens_of_macrocycles(mol: Chem.Mol) -> set[int]:
    """Atoms of rings of 12 or more with 3 or more nitrogens that are not amides: porphyrins, corrins, cyclen.

    The rings through the metal itself do not count, so they are found without it.
    """
    bare = Chem.RWMol(mol)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() in _METALS:
            for neighbour in atom.GetNeighbors():
                bare.RemoveBond(atom.GetIdx(), neighbour.GetIdx())
    Chem.FastFindRings(bare)
    bare.UpdatePropertyCache(strict=False)
    rings = Chem.GetSymmSSSR(bare)
    nitrogens = {match[0] for match in bare.GetSubstructMatches(_RING_NITROGEN)}
    found: set[int] = set()
    for ring in rings:
        in_ring = nitrogens.intersection(ring)
        if len(ring) >= _MACROCYCLE_ATOMS and len(in_ring) >= _MACROCYCLE_NITROGENS:
            found |= in_ring
    return found


def _cut(mol: Chem.RWMol, bond: Chem.Bond, metal_index: int) -> None:
    """Remove a bond; its electrons go to the ligand."""
    electrons = _COVALENT.get(bond.GetBondType(), 0)
    other = bond.GetOtherAtomIdx(metal_index)
    mol.RemoveBond(metal_index, other)
    metal, ligand = mol.GetAtomWithIdx(metal_index), mol.GetAtomWithIdx(other)
    metal.SetFormalCharge(metal.GetFormalCharge() + electrons)
    ligand.SetFormalCharge(ligand.GetFormalCharge() - electrons)


def _symbols(mol: Chem.Mol, numbers: frozenset[int]) -> set[str]:
    return {atom.GetSymbol() for atom in mol.GetAtoms() if atom.GetAtomicNum() in numbers}
