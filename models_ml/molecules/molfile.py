"""Molfiles of stored structures, with coordinates in two dimensions: the structures of an SDF."""

from __future__ import annotations

from rdkit import Chem
from rdkit.Chem import rdDepictor

from models_ml.molecules.structure_text import UnusableStructure, parse_structure

# V2000 with no atom: how an SDF record says that it has no structure.
NO_STRUCTURE = "\n  glmr\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n"


def molfile(smiles: str, title: str = "") -> str:
    """The structure as a molfile; `NO_STRUCTURE` for text that is not one. Ends with a line break."""
    try:
        mol = parse_structure(smiles)
        rdDepictor.Compute2DCoords(mol)
        block = Chem.MolToMolBlock(mol)
    except (UnusableStructure, RuntimeError, ValueError):
        block = NO_STRUCTURE
    _, _, rest = block.partition("\n")
    # The title is one line of at most 80 characters (CTfile formats).
    return f"{' '.join(title.split())[:80]}\n{rest}"
