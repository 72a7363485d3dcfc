"""Baselines without training: a random order, and rankings by the structures of similar reference spectra."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library
from models_ml.evaluate.methods.context import MethodContext, rank_scored
from models_ml.evaluate.methods.spectral_similarity import EntropyIndex, modified_cosine
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.evidence.analogs import ReferenceIndex, tanimoto_matrix
from models_ml.spectra.features import SpectrumFeatures

# Number of molecules whose best references get a modified cosine. The binned cosine selects them.
SHORTLIST = 50
# Number of cached columns of Tanimoto similarities to the whole library: 0.7 MB each for 170,000 molecules.
MAX_COLUMNS = 1500

# Similarity of a spectrum to each reference, (n,); 0 if not computed.
Similarities = Callable[[SpectrumFeatures], Floats]


def random_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    """One random order per case. The expected value over all orders is the metric `random_hit@1`."""
    rng = np.random.default_rng(context.params.seed)
    return rank_scored(
        cases,
        context,
        lambda batch: [rng.permutation(len(case.keys)) / len(case.keys) for case in batch],
        "random",
    )


def analogs_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    """Mass-shifted analog propagation: mean Tanimoto to the 20 most similar reference molecules.

    The mean is weighted by the cosine of the spectra.
    """
    references = context.needed_references()
    tanimoto = _Tanimoto(context.library, references)

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        for case in batch:
            keys, cosines = references.analogs(context.prepared(case).features)
            weights = cosines / cosines.sum() if len(keys) else cosines
            yield tanimoto.votes(case.keys, keys, weights)

    return rank_scored(cases, context, score, "analogs")


def nearest_entropy_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    index = EntropyIndex(context.needed_references().features)
    return _nearest(cases, context, index.similarities, "nearest_entropy")


def nearest_cosine_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    references = context.needed_references()

    def similarities(features: SpectrumFeatures) -> Floats:
        values = np.zeros(len(references))
        keys, _ = references.analogs(features, SHORTLIST)
        values[keys] = [modified_cosine(features, references.features[key]) for key in keys]
        return values

    return _nearest(cases, context, similarities, "nearest_cosine")


def _nearest(
    cases: Sequence[Case], context: MethodContext, similarities: Similarities, name: str
) -> list[Ranking]:
    """Ranking by the most similar reference spectrum.

    The score of a candidate is the larger of two values: the similarity of the best reference spectrum of the
    candidate itself; and the similarity of the most similar reference, times the Tanimoto similarity of the
    candidate to the molecule of that reference.
    """
    references = context.needed_references()
    tanimoto = _Tanimoto(context.library, references)
    compounds = _reference_compounds(context.library, references)

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        for case in batch:
            values = similarities(context.prepared(case).features)
            nearest = int(np.argmax(values))
            # The last value is for candidates without reference spectra, which have index -1.
            best = np.append(references.best_of_molecules(values), 0.0)
            voted = tanimoto.votes(case.keys, np.array([nearest]), values[[nearest]])
            yield np.maximum(best[compounds[case.keys]], voted)

    return rank_scored(cases, context, score, name)


def _reference_compounds(library: Library, references: ReferenceIndex) -> NDArray[np.int64]:
    """For each library molecule its index in `references.inchikeys`; -1 without a reference."""
    compounds = np.full(len(library), -1, np.int64)
    for index, inchikey in enumerate(references.inchikeys):
        key = library.key_of(str(inchikey))
        if key is not None:
            compounds[key] = index
    return compounds


class _Tanimoto:
    """Weighted sums of the Tanimoto similarity of candidates to references.

    If the candidates are the whole library: columns of similarities, cached by compound of the reference.
    """

    def __init__(self, library: Library, references: ReferenceIndex) -> None:
        self.library = library
        self.references = references
        self._bits: NDArray[np.uint8] | None = None  # (2048, n), computed at first use
        self._n_bits = np.zeros(0, np.int64)
        self._columns: dict[int, NDArray[np.float32]] = {}

    def votes(self, keys: NDArray[np.int64], references: NDArray[np.int64], weights: Floats) -> Floats:
        """One sum per candidate, (n,); zeros without references."""
        total = np.zeros(len(keys))
        if len(keys) == len(self.library):
            for reference, weight in zip(references, weights, strict=True):
                total += weight * self._column(int(reference))
            return total
        fingerprints = self.references.fingerprints[references]
        total += tanimoto_matrix(self.library.fingerprints[keys], fingerprints) @ weights
        return total

    def _column(self, reference: int) -> NDArray[np.float32]:
        """Tanimoto similarity of every library molecule to one reference, (n,)."""
        compound = int(self.references.compounds[reference])
        if compound not in self._columns:
            if len(self._columns) >= MAX_COLUMNS:
                self._columns.pop(next(iter(self._columns)))
            if self._bits is None:
                unpacked = np.unpackbits(self.library.fingerprints, axis=1)
                self._n_bits = unpacked.sum(axis=1, dtype=np.int64)
                self._bits = np.ascontiguousarray(unpacked.T)
            set_bits = np.flatnonzero(np.unpackbits(self.references.fingerprints[reference]))
            shared = self._bits[set_bits].sum(axis=0, dtype=np.uint16)
            union = np.maximum(self._n_bits + len(set_bits) - shared, 1)
            self._columns[compound] = (shared / union).astype(np.float32)
        return self._columns[compound]
