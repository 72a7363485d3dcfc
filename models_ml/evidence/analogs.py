"""Finds reference spectra that look like a spectrum, of molecules of any mass; their structures then vote.

Plain numpy: no torch, no RDKit. A reference is a vector over bins of m/z and of neutral loss; an inverted
index over them answers a query in milliseconds. Two molecules that differ at one place share the fragments
without it (same m/z) and the fragments that lost it (same neutral loss).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.features import SpectrumFeatures

# Chosen on the validation spectra; see DECISIONS.md. A ranker is bound to the width that it learnt with.
BIN_DA = 0.02
MAX_DA = 2000.0
# Below this loss stands the precursor with its isotopes, which every spectrum shares with every other.
SMALLEST_LOSS_DA = 0.5
# The best reference of each of so many molecules: 52.9 %, with 10 of them 51.7, with 40 of them 51.5; with
# the 20 best references, whatever their molecules, 47.9.
N_ANALOGS = 20

_BINS = int(MAX_DA / BIN_DA)


class ReferenceIndex:
    """Reference spectra with structures. The key of a reference is its place in what it was made from."""

    def __init__(
        self, features: Sequence[SpectrumFeatures], fingerprints: NDArray[np.uint8], inchikeys: Sequence[str]
    ) -> None:
        """`fingerprints` (n, 256), packed; `inchikeys`: the first block of each reference's molecule."""
        if not len(features) == len(fingerprints) == len(inchikeys):
            raise ValueError(
                f"{len(features)} spectra, {len(fingerprints)} fingerprints and {len(inchikeys)} InChIKeys "
                "do not belong together."
            )
        self.features = features
        self.fingerprints = fingerprints
        # Distinct molecules, and each reference's number among them.
        self.inchikeys, self.compounds = np.unique(np.array(inchikeys, dtype=str), return_inverse=True)
        self._by_compound = np.argsort(self.compounds, kind="stable")
        self._compound_starts = np.searchsorted(
            self.compounds[self._by_compound], np.arange(len(self.inchikeys) + 1)
        )
        vectors = [binned(one) for one in features]
        bins = np.concatenate([np.zeros(0, np.int64), *(vector[0] for vector in vectors)])
        rows = np.repeat(np.arange(len(vectors), dtype=np.int32), [len(vector[0]) for vector in vectors])
        order = np.argsort(bins, kind="stable")
        self._rows = rows[order]
        self._weights = np.concatenate([np.zeros(0), *(vector[1] for vector in vectors)])[order]
        self._starts = np.searchsorted(bins[order], np.arange(2 * _BINS + 1))

    def __len__(self) -> int:
        return len(self.features)

    def similarities(self, features: SpectrumFeatures) -> NDArray[np.float64]:
        """Cosine of the binned vectors to every reference, (n,), 0 to 1."""
        bins, weights = binned(features)
        spans = [slice(self._starts[one], self._starts[one + 1]) for one in bins]
        if not spans:
            return np.zeros(len(self))
        shared = np.concatenate(
            [self._weights[span] * weight for span, weight in zip(spans, weights, strict=True)]
        )
        rows = np.concatenate([self._rows[span] for span in spans])
        return np.bincount(rows, weights=shared, minlength=len(self)).astype(np.float64)

    def analogs(
        self, features: SpectrumFeatures, k: int = N_ANALOGS, exclude_keys: Collection[str] = ()
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Keys and cosines of the most similar reference of each of at most k molecules; none of cosine 0.

        Most similar first. `exclude_keys`: first InChIKey blocks of molecules that must not speak, as the
        spectrum's own.
        """
        similarities = self.similarities(features)
        if len(exclude_keys):
            similarities[self.of_molecules(exclude_keys)] = 0
        best = self.best_of_molecules(similarities)
        some = np.flatnonzero(best)
        if len(some) > k:
            some = some[best[some] >= np.partition(best[some], len(some) - k)[len(some) - k]]
        first = some[np.argsort(-best[some], kind="stable")[:k]]
        keys = np.array([self._best_reference(one, similarities) for one in first], np.int64)
        return keys, similarities[keys]

    def best_of_molecules(self, similarities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The greatest of each molecule's references, in the order of `inchikeys`."""
        if not len(self):
            return np.zeros(0)
        best: NDArray[np.float64] = np.maximum.reduceat(
            similarities[self._by_compound], self._compound_starts[:-1]
        )
        return best

    def molecule_fingerprints(self, molecules: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(n, 256) of molecules by their place in `inchikeys`."""
        return self.fingerprints[self._by_compound[self._compound_starts[molecules]]]

    def _best_reference(self, compound: int, similarities: NDArray[np.float64]) -> int:
        span = slice(self._compound_starts[compound], self._compound_starts[compound + 1])
        keys = self._by_compound[span]
        return int(keys[np.argmax(similarities[keys])])

    def of_molecules(self, inchikeys: Iterable[str]) -> NDArray[np.bool_]:
        """Which references are of these molecules, (n,)."""
        named = np.isin(self.inchikeys, np.array(list(inchikeys), dtype=str))
        mask: NDArray[np.bool_] = named[self.compounds]
        return mask


def binned(features: SpectrumFeatures) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bins that a spectrum fills, ascending, and their weights: square roots of intensity, unit length."""
    mz = features.mz.astype(np.float64)
    loss = features.precursor_mz - mz
    lost = loss >= SMALLEST_LOSS_DA
    places = np.concatenate([mz, loss[lost] + MAX_DA]) / BIN_DA
    intensity = np.concatenate([features.intensity, features.intensity[lost]]).astype(np.float64)
    inside = np.concatenate([mz, loss[lost]]) < MAX_DA
    bins, place = np.unique(places[inside].astype(np.int64), return_inverse=True)
    weights = np.sqrt(np.bincount(place, weights=intensity[inside], minlength=len(bins)))
    length = np.sqrt((weights**2).sum())
    return bins, weights / length if length else weights


def propagate(
    candidates: NDArray[np.uint8], analogs: NDArray[np.uint8], similarities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Similarity-weighted mean Tanimoto of each candidate (C, 256) to the analogs (A, 256); (C,), 0 to 1.

    Zeros without any analog.
    """
    total = similarities.sum()
    if not total:
        return np.zeros(len(candidates))
    votes: NDArray[np.float64] = tanimoto_matrix(candidates, analogs) @ (similarities / total)
    return votes


def tanimoto_matrix(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Tanimoto of packed fingerprints (C, 256) against (A, 256); (C, A), 0 where neither has a bit."""
    ours, theirs = _words(first), _words(second)
    shared = np.zeros((len(ours), len(theirs)), np.int64)
    for column, row in enumerate(theirs):
        shared[:, column] = np.bitwise_count(ours & row).sum(axis=1, dtype=np.int64)
    union = _n_bits(ours)[:, None] + _n_bits(theirs)[None, :] - shared
    similarity: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
    return similarity


def _words(fingerprints: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(fingerprints).view(np.uint64)


def _n_bits(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    bits: NDArray[np.int64] = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return bits
