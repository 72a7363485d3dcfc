"""A candidate library in memory: an exact `Retrieve` for the evaluation and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models_ml.outcomes import Embedding, Query, Retrieved, RetrievedMolecule
from models_ml.spectra.zwitterions import is_zwitterion


class LibraryMolecule(Protocol):
    """The fields of a molecule that retrieval needs. A StandardMolecule has them."""

    @property
    def smiles(self) -> str: ...
    @property
    def inchikey_first_block(self) -> str: ...
    @property
    def formula(self) -> str: ...
    @property
    def exact_mass(self) -> float: ...
    @property
    def fingerprint(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    smiles: str
    inchikey_first_block: str
    formula: str
    exact_mass: float
    fingerprint: bytes = b""


class InMemoryLibrary:
    """Molecules with their embeddings. The key of a molecule is its index in `molecules`."""

    def __init__(self, molecules: Sequence[LibraryMolecule], embeddings: Embedding) -> None:
        if len(molecules) != len(embeddings):
            raise ValueError(f"{len(molecules)} molecules but {len(embeddings)} embeddings.")
        self.molecules = molecules
        self.embeddings = embeddings
        mass = np.array([molecule.exact_mass for molecule in molecules])
        self._order = np.argsort(mass, kind="stable")
        self._mass = mass[self._order]

    def __len__(self) -> int:
        return len(self.molecules)

    def window(self, query: Query) -> NDArray[np.int64]:
        """Keys of the molecules in the query's mass window, and of zwitterions in the second, ascending."""
        keys = self._of_mass(query.neutral_mass, query.tolerance_da)
        if query.zwitterion_mass is not None:
            second = self._of_mass(query.zwitterion_mass, query.tolerance_da)
            found = [key for key in second if is_zwitterion(self.molecules[key].smiles)]
            keys = np.union1d(keys, np.array(found, np.int64))
        return np.sort(keys)

    def _of_mass(self, neutral_mass: float, tolerance_da: float) -> NDArray[np.int64]:
        first = np.searchsorted(self._mass, neutral_mass - tolerance_da, "left")
        last = np.searchsorted(self._mass, neutral_mass + tolerance_da, "right")
        return self._order[first:last]

    def retrieve(self, queries: Sequence[Query], k: int) -> list[Retrieved]:
        """At most k molecules of each window, most similar first, ties by key."""
        return [
            nearest_molecules(self.window(query), query.embedding, self.molecules, self.embeddings, k)
            for query in queries
        ]


def nearest_molecules(
    keys: NDArray[np.int64],
    embedding: Embedding,
    molecules: Sequence[LibraryMolecule],
    embeddings: Embedding,
    k: int,
) -> Retrieved:
    """Of the molecules `keys` (ascending), the k most similar to `embedding` (D,), ties by key.

    `embeddings` (n, D): E^m of all `molecules`.
    """
    is_whole_library = len(keys) == len(molecules)
    similarities = (embeddings if is_whole_library else embeddings[keys]) @ embedding
    indices = np.arange(len(keys))
    if len(keys) > 4 * k:  # sort only those that can be among the first k, ties included
        least = np.partition(similarities, len(keys) - k)[len(keys) - k]
        indices = np.flatnonzero(similarities >= least)
    best = indices[np.argsort(-similarities[indices], kind="stable")[:k]]
    return Retrieved(
        molecules=tuple(
            _retrieved(int(keys[index]), float(similarities[index]), molecules, embeddings) for index in best
        ),
        n_in_window=len(keys),
    )


def _retrieved(
    key: int, similarity: float, molecules: Sequence[LibraryMolecule], embeddings: Embedding
) -> RetrievedMolecule:
    molecule = molecules[key]
    return RetrievedMolecule(
        key=key,
        smiles=molecule.smiles,
        inchikey_first_block=molecule.inchikey_first_block,
        formula=molecule.formula,
        exact_mass=molecule.exact_mass,
        embedding=embeddings[key],
        embedding_similarity=similarity,
        fingerprint=molecule.fingerprint,
    )
