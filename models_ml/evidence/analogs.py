"""Search for analogs: molecules of any mass whose reference spectra resemble a spectrum. Plain numpy.

A reference is a vector over bins of m/z and of neutral loss. An inverted index over the bins answers a query
in milliseconds. Two molecules that differ in one part share the fragments without this part (same m/z) and
the fragments that lost it (same neutral loss).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.features import SpectrumFeatures

# Chosen on the validation spectra; see DECISIONS.md. A trained ranking needs the width of its training.
BIN_DA = 0.02
MAX_DA = 2000.0
# Smaller losses are the precursor and its isotopes, which all spectra share.
SMALLEST_LOSS_DA = 0.5
# Molecules, each with its most similar reference. Hit rate at rank 1 on validation spectra: 52.9 %; with 10
# molecules 51.7 %, with 40 molecules 51.5 %, with the 20 most similar references of any molecules 47.9 %.
N_ANALOGS = 20

_BINS = int(MAX_DA / BIN_DA)


class ReferenceIndex:
    """Reference spectra with structures. The key of a reference is its index in the sequences passed in."""

    def __init__(
        self, features: Sequence[SpectrumFeatures], fingerprints: NDArray[np.uint8], inchikeys: Sequence[str]
    ) -> None:
        """`fingerprints` (n, 256), packed; `inchikeys`: first block of the molecule of each reference."""
        if not len(features) == len(fingerprints) == len(inchikeys):
            raise ValueError(
                f"{len(features)} spectra, {len(fingerprints)} fingerprints and {len(inchikeys)} InChIKeys "
                "differ in number; each reference needs one of each."
            )
        self.features = features
        self.fingerprints = fingerprints
        # Distinct molecules, and for each reference the index of its molecule among them.
        self.inchikeys, self.compounds = np.unique(np.array(inchikeys, dtype=str), return_inverse=True)
        self._by_compound = np.argsort(self.compounds, kind="stable")
        self._compound_starts = np.searchsorted(
            self.compounds[self._by_compound], np.arange(len(self.inchikeys) + 1)
        )
        vectors = [binned(reference) for reference in features]
        bins = np.concatenate([np.zeros(0, np.int64), *(vector[0] for vector in vectors)])
        rows = np.repeat(np.arange(len(vectors), dtype=np.int32), [len(vector[0]) for vector in vectors])
        order = np.argsort(bins, kind="stable")
        self._rows = rows[order]
        self._weights = np.concatenate([np.zeros(0), *(vector[1] for vector in vectors)])[order]
        self._starts = np.searchsorted(bins[order], np.arange(2 * _BINS + 1))

    def __len__(self) -> int:
        return len(self.features)

    def similarities(self, features: SpectrumFeatures) -> NDArray[np.float64]:
        """Cosine of the binned vectors with every reference; (n,), 0 to 1."""
        bins, weights = binned(features)
        spans = [slice(self._starts[index], self._starts[index + 1]) for index in bins]
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
        """Keys and cosines of the most similar reference of each of at most k molecules, most similar first.

        References of cosine 0 are left out. `exclude_keys`: first InChIKey blocks of molecules to leave out,
        such as the spectrum's own molecule.
        """
        similarities = self.similarities(features)
        if len(exclude_keys):
            similarities[self._is_of_molecules(exclude_keys)] = 0
        best = self.best_of_molecules(similarities)
        similar = np.flatnonzero(best)
        if len(similar) > k:
            similar = similar[
                best[similar] >= np.partition(best[similar], len(similar) - k)[len(similar) - k]
            ]
        compounds = similar[np.argsort(-best[similar], kind="stable")[:k]]
        keys = np.array([self._best_reference(compound, similarities) for compound in compounds], np.int64)
        return keys, similarities[keys]

    def best_of_molecules(self, similarities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The highest of the similarities (n,) for each molecule, in the order of `inchikeys`."""
        if not len(self):
            return np.zeros(0)
        best: NDArray[np.float64] = np.maximum.reduceat(
            similarities[self._by_compound], self._compound_starts[:-1]
        )
        return best

    def molecule_fingerprints(self, molecules: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(m, 256) of molecules (m,), given as indices into `inchikeys`."""
        return self.fingerprints[self._by_compound[self._compound_starts[molecules]]]

    def _best_reference(self, compound: int, similarities: NDArray[np.float64]) -> int:
        span = slice(self._compound_starts[compound], self._compound_starts[compound + 1])
        keys = self._by_compound[span]
        return int(keys[np.argmax(similarities[keys])])

    def _is_of_molecules(self, inchikeys: Iterable[str]) -> NDArray[np.bool_]:
        """Which references (n,) are spectra of these molecules."""
        named = np.isin(self.inchikeys, np.array(list(inchikeys), dtype=str))
        mask: NDArray[np.bool_] = named[self.compounds]
        return mask


def binned(features: SpectrumFeatures) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bins (b,) with a peak, ascending, and their weights (b,): square roots of intensity, unit length."""
    mz = features.mz.astype(np.float64)
    loss = features.precursor_mz - mz
    lost = loss >= SMALLEST_LOSS_DA
    positions = np.concatenate([mz, loss[lost] + MAX_DA]) / BIN_DA  # losses follow after the bins of m/z
    intensity = np.concatenate([features.intensity, features.intensity[lost]]).astype(np.float64)
    inside = np.concatenate([mz, loss[lost]]) < MAX_DA
    bins, column = np.unique(positions[inside].astype(np.int64), return_inverse=True)
    weights = np.sqrt(np.bincount(column, weights=intensity[inside], minlength=len(bins)))
    length = np.sqrt((weights**2).sum())
    return bins, weights / length if length else weights


def propagate(
    candidates: NDArray[np.uint8], analogs: NDArray[np.uint8], similarities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean Tanimoto of each candidate (C, 256) to the analogs (A, 256), weighted by similarity (A,).

    (C,), 0 to 1; zeros if there is no analog.
    """
    total = similarities.sum()
    if not total:
        return np.zeros(len(candidates))
    votes: NDArray[np.float64] = tanimoto_matrix(candidates, analogs) @ (similarities / total)
    return votes


def tanimoto_matrix(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Tanimoto of packed fingerprints (C, 256) and (A, 256); (C, A), 0 where both are empty."""
    rows, columns = _words(first), _words(second)
    shared = np.zeros((len(rows), len(columns)), np.int64)
    for index, column in enumerate(columns):
        shared[:, index] = np.bitwise_count(rows & column).sum(axis=1, dtype=np.int64)
    union = _n_bits(rows)[:, None] + _n_bits(columns)[None, :] - shared
    similarity: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
    return similarity


def _words(fingerprints: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(fingerprints).view(np.uint64)


def _n_bits(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    bits: NDArray[np.int64] = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return bits
