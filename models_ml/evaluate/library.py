"""The candidate library of an evaluation: standardised once, embedded only where a mass window reaches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.molecules.readers import read_structures
from models_ml.molecules.readers.rows import StructureIssue
from models_ml.molecules.standardise import identify
from models_ml.outcomes import Embedding, Query

ENCODE_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """A library molecule as far as ranking and measuring need it."""

    smiles: str
    inchikey_first_block: str
    formula: str
    exact_mass: float
    fingerprint: bytes


def read_library(path: Path, *, seed: int, cache: Path | None = None) -> list[Candidate]:
    """Usable molecules, one for each InChIKey first block, in an order that says nothing.

    Standardising takes minutes for a large file; `cache` is a folder that keeps it by the file's hash.
    """
    stored = cache / f"library-{_sha256(path)[:16]}.npz" if cache else None
    if stored and stored.exists():
        candidates = _load(stored)
    else:
        candidates = _standardised(path)
        if stored:
            _save(stored, candidates)
    # Equal similarities are ranked by key. A file that lists measured compounds first would help them.
    order = np.random.default_rng(seed).permutation(len(candidates))
    return [candidates[place] for place in order]


def _standardised(path: Path) -> list[Candidate]:
    found: dict[str, Candidate] = {}
    for row in tqdm(read_structures(path), "library"):
        molecule = None if isinstance(row, StructureIssue) else identify(row.structure)
        if molecule is not None:
            key = molecule.inchikey_first_block
            candidate = Candidate(
                molecule.smiles, key, molecule.formula, molecule.exact_mass, molecule.fingerprint
            )
            found.setdefault(key, candidate)
    return list(found.values())


def _save(path: Path, candidates: Sequence[Candidate]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [f"{one.smiles}\t{one.inchikey_first_block}\t{one.formula}" for one in candidates]
    np.savez(
        path,
        text=np.frombuffer("\n".join(text).encode(), np.uint8),
        exact_mass=np.array([one.exact_mass for one in candidates]),
        fingerprints=np.frombuffer(b"".join(one.fingerprint for one in candidates), np.uint8),
    )


def _load(path: Path) -> list[Candidate]:
    with np.load(path, allow_pickle=False) as stored:
        lines = stored["text"].tobytes().decode().split("\n")
        masses = stored["exact_mass"].tolist()
        fingerprints = stored["fingerprints"].reshape(len(lines), -1)
    rows = (line.split("\t") for line in lines)
    return [
        Candidate(smiles, key, formula, mass, fingerprint.tobytes())
        for (smiles, key, formula), mass, fingerprint in zip(rows, masses, fingerprints, strict=True)
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def embed_reached(
    molecules: Sequence[Candidate], queries: Sequence[Query], model: GlmrModel
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
