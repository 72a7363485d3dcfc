"""Structures as token arrays with randomised spellings, fingerprints, masses. Needs RDKit, not torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from tqdm import tqdm

from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.arrays import MoleculeArrays, pack_ragged

MAX_STORED_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Structure:
    smiles: str  # canonical, stereo-free
    fingerprint: bytes  # 2048-bit Morgan, radius 2, packed
    exact_mass: float


def molecule_arrays(
    structures: Sequence[Structure],
    tokenizer: SmilesTokenizer,
    *,
    variants: int,
    seed: int,
    progress: bool = True,
) -> MoleculeArrays:
    """Each structure in its canonical spelling and `variants` random spellings."""
    rows: list[np.ndarray] = []
    for number, structure in enumerate(tqdm(structures, "spellings", disable=not progress)):
        for spelling in (structure.smiles, *random_spellings(structure.smiles, variants, seed + number)):
            rows.append(np.array(tokenizer.encode(spelling, max_tokens=MAX_STORED_TOKENS), np.uint16))
    tokens, offsets = pack_ragged(rows, np.uint16)
    packed = b"".join(structure.fingerprint for structure in structures)
    return MoleculeArrays(
        tokens=tokens,
        offsets=offsets,
        fingerprints=np.frombuffer(packed, np.uint8).reshape(len(structures), -1),
        exact_mass=np.array([structure.exact_mass for structure in structures]),
        text=np.frombuffer("\n".join(structure.smiles for structure in structures).encode(), np.uint8),
    )


def random_spellings(smiles: str, number: int, seed: int) -> list[str]:
    """SMILES of the molecule from random starting atoms. A seed always gives the same list."""
    if not number:
        return []
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise ValueError(f"{smiles!r} is not a valid SMILES. Standardise the structure first.")
    return list(Chem.MolToRandomSmilesVect(molecule, number, randomSeed=seed))
