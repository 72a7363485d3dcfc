"""The candidate library of an evaluation: standardised once, embedded only where a mass window reaches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.molecules.readers import read_structures
from models_ml.molecules.readers.rows import StructureIssue
from models_ml.molecules.standardise import StandardMolecule, identify
from models_ml.outcomes import Embedding, Query

ENCODE_AT_ONCE = 4096


def read_library(path: Path, *, seed: int) -> list[StandardMolecule]:
    """Usable molecules, one for each InChIKey first block, in an order that says nothing."""
    found: dict[str, StandardMolecule] = {}
    for row in tqdm(read_structures(path), "library"):
        molecule = None if isinstance(row, StructureIssue) else identify(row.structure)
        if molecule is not None:
            found.setdefault(molecule.inchikey_first_block, molecule)
    molecules = list(found.values())
    # Equal similarities are ranked by key. A file that lists measured compounds first would help them.
    order = np.random.default_rng(seed).permutation(len(molecules))
    return [molecules[place] for place in order]


def embed_reached(
    molecules: Sequence[StandardMolecule], queries: Sequence[Query], model: GlmrModel
) -> InMemoryLibrary:
    """A library whose molecules are embedded where some query's window reaches; the others never come up."""
    embeddings: Embedding = np.zeros((len(molecules), model.embedding_dim), np.float32)
    library = InMemoryLibrary(molecules, embeddings)
    reached = np.zeros(len(molecules), bool)
    for window in {(query.neutral_mass, query.tolerance_da): query for query in queries}.values():
        reached[library.window(window)] = True
    keys = np.flatnonzero(reached)
    for start in tqdm(range(0, len(keys), ENCODE_AT_ONCE), "embeddings"):
        some = keys[start : start + ENCODE_AT_ONCE]
        embeddings[some] = model.embed_molecules([molecules[key].smiles for key in some])
    return library
