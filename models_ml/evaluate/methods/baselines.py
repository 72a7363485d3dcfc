"""Baselines that learn nothing: structures of reference spectra that look alike vote for the candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library
from models_ml.evaluate.methods.bench import Bench, rank_scored
from models_ml.evaluate.methods.spectral_similarity import EntropyIndex, modified_cosine
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.evidence.analogs import ReferenceIndex, tanimoto_matrix
from models_ml.spectra.features import SpectrumFeatures

# Modified cosine is computed for the best references of so many molecules, as the binned cosine finds them.
SHORTLIST = 50
# Columns of the whole library's Tanimoto that are kept: 0.7 MB each for 170,000 molecules.
KEPT_COLUMNS = 1500

# Of a spectrum to each reference, (n,); 0 where it was not computed.
Similarities = Callable[[SpectrumFeatures], Floats]


def analogs_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """Mass-shifted analog propagation: mean Tanimoto to the 20 most similar molecules, weighted by cosine."""
    references = bench.needed_references()
    tanimoto = _Tanimoto(bench.library, references)

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        for case in batch:
            keys, cosines = references.analogs(bench.question(case).features)
            weights = cosines / cosines.sum() if len(keys) else cosines
            yield tanimoto.votes(case.keys, keys, weights)

    return rank_scored(cases, bench, score, "analogs")


def nearest_entropy_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    index = EntropyIndex(bench.needed_references().features)
    return _nearest(cases, bench, index.similarities, "nearest_entropy")


def nearest_cosine_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    references = bench.needed_references()

    def similarities(features: SpectrumFeatures) -> Floats:
        values = np.zeros(len(references))
        keys, _ = references.analogs(features, SHORTLIST)
        values[keys] = [modified_cosine(features, references.features[key]) for key in keys]
        return values

    return _nearest(cases, bench, similarities, "nearest_cosine")


def _nearest(cases: Sequence[Case], bench: Bench, similarities: Similarities, name: str) -> list[Ranking]:
    """The nearest reference spectrum.

    A candidate's score is the greater of two: the similarity of the best reference spectrum of its own, and
    the similarity of the nearest reference times the Tanimoto of that reference's molecule.
    """
    references = bench.needed_references()
    tanimoto = _Tanimoto(bench.library, references)
    own = _own_compounds(bench.library, references)

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        for case in batch:
            values = similarities(bench.question(case).features)
            nearest = int(np.argmax(values))
            # The last stands for candidates without references.
            best = np.append(references.best_of_molecules(values), 0.0)
            voted = tanimoto.votes(case.keys, np.array([nearest]), values[[nearest]])
            yield np.maximum(best[own[case.keys]], voted)

    return rank_scored(cases, bench, score, name)


def _own_compounds(library: Library, references: ReferenceIndex) -> NDArray[np.int64]:
    """Each library molecule's number among the references' compounds, -1 if it has no reference."""
    own = np.full(len(library), -1, np.int64)
    for number, inchikey in enumerate(references.inchikeys):
        key = library.key_of(str(inchikey))
        if key is not None:
            own[key] = number
    return own


class _Tanimoto:
    """Tanimoto of candidates to references, summed by weight.

    For candidates that are the whole library, by columns of its bits, and kept by the references' compound.
    """

    def __init__(self, library: Library, references: ReferenceIndex) -> None:
        self.library = library
        self.references = references
        self._bits: NDArray[np.uint8] | None = None  # (2048, n), made when first needed
        self._n_bits = np.zeros(0, np.int64)
        self._columns: dict[int, NDArray[np.float32]] = {}

    def votes(self, keys: NDArray[np.int64], references: NDArray[np.int64], weights: Floats) -> Floats:
        """(candidates,); zeros without references."""
        total = np.zeros(len(keys))
        if len(keys) == len(self.library):
            for reference, weight in zip(references, weights, strict=True):
                total += weight * self._column(int(reference))
            return total
        fingerprints = self.references.fingerprints[references]
        total += tanimoto_matrix(self.library.fingerprints[keys], fingerprints) @ weights
        return total

    def _column(self, reference: int) -> NDArray[np.float32]:
        """Of every library molecule to one reference, (n,)."""
        compound = int(self.references.compounds[reference])
        if compound not in self._columns:
            if len(self._columns) >= KEPT_COLUMNS:
                self._columns.pop(next(iter(self._columns)))
            if self._bits is None:
                unpacked = np.unpackbits(self.library.fingerprints, axis=1)
                self._n_bits = unpacked.sum(axis=1, dtype=np.int64)
                self._bits = np.ascontiguousarray(unpacked.T)
            own = np.flatnonzero(np.unpackbits(self.references.fingerprints[reference]))
            shared = self._bits[own].sum(axis=0, dtype=np.uint16)
            union = np.maximum(self._n_bits + len(own) - shared, 1)
            self._columns[compound] = (shared / union).astype(np.float32)
        return self._columns[compound]
