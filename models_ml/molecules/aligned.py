"""Drawings of similar structures that can be compared: the shared part in one place, the rest marked."""

from __future__ import annotations

from functools import lru_cache

from rdkit import Chem
from rdkit.Chem import rdDepictor, rdFMCS

# RDKit counts whole seconds. Pairs of candidates need some 10 ms; symmetric polycycles can need hours.
_TIMEOUT_S = 1
_MAX_ATOMS = 80  # larger structures are not searched
# A smaller common part would turn the drawing without a use.
_MIN_SHARED = 5
_MAX_MARKED = 0.6  # share of atoms. More would mark nearly everything, which compares nothing.


def align(mol: Chem.Mol, like: Chem.Mol) -> tuple[Chem.Mol, tuple[int, ...]]:
    """A copy of `mol` with coordinates that follow those of `like`, and its atoms outside the common part.

    The common part is the largest that RDKit finds within a second. No atoms are given if both are equal or
    if little is common. Coordinates of `like` depend on its SMILES alone, so drawings aligned to it agree.
    """
    drawn = Chem.Mol(mol)
    template = Chem.Mol(like)
    rdDepictor.Compute2DCoords(template, canonOrient=True)
    pairs = _shared_atoms(Chem.MolToSmiles(mol), Chem.MolToSmiles(like), mol, like)
    if not pairs:
        rdDepictor.Compute2DCoords(drawn, canonOrient=True)
        return drawn, ()
    rdDepictor.GenerateDepictionMatching2DStructure(drawn, template, [(there, here) for here, there in pairs])
    shared = {here for here, _ in pairs}
    differing = tuple(index for index in range(mol.GetNumAtoms()) if index not in shared)
    return drawn, differing if len(differing) <= _MAX_MARKED * mol.GetNumAtoms() else ()


def _shared_atoms(smiles: str, like_smiles: str, mol: Chem.Mol, like: Chem.Mol) -> list[tuple[int, int]]:
    """Pairs of atoms of `mol` and `like`; empty if the common part is too small."""
    pattern = _common_part(smiles, like_smiles)
    if pattern is None:
        return []
    return list(zip(mol.GetSubstructMatch(pattern), like.GetSubstructMatch(pattern), strict=True))


@lru_cache(maxsize=4_000)
def _common_part(smiles: str, like_smiles: str) -> Chem.Mol | None:
    """Whole rings only, so that a marked difference is a group and not half a ring. At most a second."""
    mols = [Chem.MolFromSmiles(text) for text in (smiles, like_smiles)]
    if any(mol is None or mol.GetNumAtoms() > _MAX_ATOMS for mol in mols):
        return None
    found = rdFMCS.FindMCS(mols, timeout=_TIMEOUT_S, ringMatchesRingOnly=True, completeRingsOnly=True)
    return found.queryMol if found.numAtoms >= _MIN_SHARED else None
