"""A candidate library held in memory: the exact `Retrieve` of evaluation and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models_ml.outcomes import Embedding, Query, Retrieved, RetrievedMolecule


class LibraryMolecule(Protocol):
    """What the index needs to know of a molecule; a StandardMolecule has it."""

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
    """Molecules with their embeddings. The key of a molecule is its place in `molecules`."""

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
        """Keys of the molecules in the query's mass window, ascending."""
        first = np.searchsorted(self._mass, query.neutral_mass - query.tolerance_da, "left")
        last = np.searchsorted(self._mass, query.neutral_mass + query.tolerance_da, "right")
        return np.sort(self._order[first:last])

    def retrieve(self, queries: Sequence[Query], k: int) -> list[Retrieved]:
        """At most k molecules of each window, most similar first, ties by key."""
        return [self._retrieve_one(query, k) for query in queries]

    def _retrieve_one(self, query: Query, k: int) -> Retrieved:
        keys = self.window(query)
        similarities = self.embeddings[keys] @ query.embedding
        n_in_window = len(keys)
        if n_in_window > 4 * k:  # sort only what can be among the first k, ties included
            least = np.partition(similarities, n_in_window - k)[n_in_window - k]
            near = similarities >= least
            keys, similarities = keys[near], similarities[near]
        best = np.argsort(-similarities, kind="stable")[:k]
        found = [self._molecule(int(keys[place]), float(similarities[place])) for place in best]
        return Retrieved(molecules=tuple(found), n_in_window=n_in_window)

    def _molecule(self, key: int, similarity: float) -> RetrievedMolecule:
        molecule = self.molecules[key]
        return RetrievedMolecule(
            key=key,
            smiles=molecule.smiles,
            inchikey_first_block=molecule.inchikey_first_block,
            formula=molecule.formula,
            exact_mass=molecule.exact_mass,
            embedding=self.embeddings[key],
            embedding_similarity=similarity,
            fingerprint=molecule.fingerprint,
        )
