"""The candidate library of an evaluation: standardised once; searched by mass, formula or molecule."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.molecules.fingerprint import fingerprint_matrix
from models_ml.molecules.readers import read_structures
from models_ml.molecules.readers.rows import StructureIssue
from models_ml.molecules.standardise import identify


@dataclass(frozen=True, slots=True)
class Candidate:
    """The properties of a library molecule that ranking and metrics need."""

    smiles: str
    inchikey_first_block: str
    formula: str
    exact_mass: float
    fingerprint: bytes


class Library:
    """Molecules; the key of a molecule is its index. `fingerprints` (n, 256) are packed.

    `name` identifies the content: caches use it.
    """

    def __init__(self, molecules: Sequence[Candidate], name: str = "") -> None:
        self.molecules = molecules
        self.name = name
        self.fingerprints = fingerprint_matrix([molecule.fingerprint for molecule in molecules])
        self._key_of = {molecule.inchikey_first_block: key for key, molecule in enumerate(molecules)}
        mass = np.array([molecule.exact_mass for molecule in molecules])
        self._by_mass = np.argsort(mass, kind="stable")
        self._mass = mass[self._by_mass]
        self._by_formula: dict[str, list[int]] = {}
        for key, molecule in enumerate(molecules):
            self._by_formula.setdefault(molecule.formula, []).append(key)

    def __len__(self) -> int:
        return len(self.molecules)

    def key_of(self, inchikey_first_block: str) -> int | None:
        return self._key_of.get(inchikey_first_block)

    def of_mass(self, neutral_mass: float, tolerance_da: float) -> NDArray[np.int64]:
        """Keys of the molecules in the mass window, both ends included, ascending."""
        first = np.searchsorted(self._mass, neutral_mass - tolerance_da, "left")
        last = np.searchsorted(self._mass, neutral_mass + tolerance_da, "right")
        return np.sort(self._by_mass[first:last])

    def of_formula(self, formula: str) -> NDArray[np.int64]:
        """Keys of the molecules with this Hill formula, ascending."""
        return np.array(self._by_formula.get(formula, []), np.int64)


def read_library(path: Path, *, seed: int, cache: Path | None = None) -> Library:
    """Valid molecules in random order, one per InChIKey first block.

    Standardisation of a large file takes minutes. `cache`: folder that keeps the result by hash of the file.
    """
    name = f"library-{file_sha256(path)[:16]}"
    stored = cache / f"{name}.npz" if cache else None
    if stored and stored.exists():
        candidates = _load(stored)
    else:
        candidates = _standardised(path)
        if stored:
            _save(stored, candidates)
    return shuffled(candidates, name, seed=seed)


def shuffled(candidates: Sequence[Candidate], name: str, *, seed: int) -> Library:
    """A library in random order.

    Equal scores are sorted by key. In the order of the file, a file that lists measured compounds first would
    favour them.
    """
    order = np.random.default_rng(seed).permutation(len(candidates))
    return Library([candidates[index] for index in order], f"{name}-{seed}")


def as_candidate(structure: str) -> Candidate | None:
    """None if the structure is not valid."""
    molecule = identify(structure)
    if molecule is None:
        return None
    return Candidate(
        molecule.smiles,
        molecule.inchikey_first_block,
        molecule.formula,
        molecule.exact_mass,
        molecule.fingerprint,
    )


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _standardised(path: Path) -> list[Candidate]:
    by_block: dict[str, Candidate] = {}
    for row in tqdm(read_structures(path), "library"):
        candidate = None if isinstance(row, StructureIssue) else as_candidate(row.structure)
        if candidate is not None:
            by_block.setdefault(candidate.inchikey_first_block, candidate)
    return list(by_block.values())


def _save(path: Path, candidates: Sequence[Candidate]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [
        f"{candidate.smiles}\t{candidate.inchikey_first_block}\t{candidate.formula}"
        for candidate in candidates
    ]
    np.savez(
        path,
        text=np.frombuffer("\n".join(text).encode(), np.uint8),
        exact_mass=np.array([candidate.exact_mass for candidate in candidates]),
        fingerprints=np.frombuffer(b"".join(candidate.fingerprint for candidate in candidates), np.uint8),
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
