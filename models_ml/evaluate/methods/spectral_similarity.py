"""Classical similarities of spectra: modified cosine and spectral entropy similarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.ranking import Floats
from models_ml.spectra.features import SpectrumFeatures

TOLERANCE_DA = 0.02


def modified_cosine(first: SpectrumFeatures, second: SpectrumFeatures) -> float:
    """Greedy cosine of square-root intensities, 0 to 1.

    Peaks match at equal m/z, or if their m/z differs by the difference of the precursors. Each peak matches
    once; pairs with the largest products match first.
    """
    a, b = first.mz.astype(np.float64)[:, None], second.mz.astype(np.float64)[None, :]
    heights_a = np.sqrt(first.intensity.astype(np.float64))
    heights_b = np.sqrt(second.intensity.astype(np.float64))
    shift = first.precursor_mz - second.precursor_mz
    difference = a - b
    matches = (np.abs(difference) <= TOLERANCE_DA) | (np.abs(difference - shift) <= TOLERANCE_DA)
    rows, columns = np.nonzero(matches)
    products = heights_a[rows] * heights_b[columns]
    used_a, used_b, total = set(), set(), 0.0
    for index in np.argsort(-products, kind="stable"):
        row, column = int(rows[index]), int(columns[index])
        if row not in used_a and column not in used_b:
            used_a.add(row)
            used_b.add(column)
            total += float(products[index])
    length = np.sqrt((heights_a**2).sum() * (heights_b**2).sum())
    return total / float(length) if length else 0.0


class EntropyIndex:
    """Spectral entropy similarity of a spectrum to every spectrum of a collection (Li et al. 2021).

    A matched pair of peaks with probabilities a and b adds (f(a + b) - f(a) - f(b)) / 2, where
    f(x) = x log2 x. Spectra with an entropy below 3 nats are weighted first, which makes their
    intensities more equal. Peaks of one spectrum that are closer than twice the tolerance are merged.
    """

    def __init__(self, features: Sequence[SpectrumFeatures]) -> None:
        self.n = len(features)
        spectra = [_weighted(spectrum) for spectrum in features]
        all_mz = np.concatenate([np.zeros(0), *(mz for mz, _ in spectra)])
        order = np.argsort(all_mz, kind="stable")
        self._mz = all_mz[order]
        self._p = np.concatenate([np.zeros(0), *(p for _, p in spectra)])[order]
        self._rows = np.repeat(np.arange(self.n), [len(mz) for mz, _ in spectra])[order]

    def similarities(self, features: SpectrumFeatures) -> Floats:
        """Similarity to each spectrum of the collection, (n,), 0 to 1."""
        mz, p = _weighted(features)
        first = np.searchsorted(self._mz, mz - TOLERANCE_DA, "left")
        last = np.searchsorted(self._mz, mz + TOLERANCE_DA, "right")
        counts = last - first
        indices = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        a, b = np.repeat(p, counts), self._p[indices]
        added = (_x_log_x(a + b) - _x_log_x(a) - _x_log_x(b)) / 2
        return np.minimum(np.bincount(self._rows[indices], weights=added, minlength=self.n), 1.0)


def _weighted(features: SpectrumFeatures) -> tuple[Floats, Floats]:
    """Merged m/z and probabilities that sum to 1."""
    mz, intensity = _merged(features.mz.astype(np.float64), features.intensity.astype(np.float64))
    p = intensity / intensity.sum() if len(intensity) else intensity
    entropy = -float((p * np.log(p)).sum())
    if entropy < 3:
        p = p ** (0.25 + 0.25 * entropy)
        p = p / p.sum() if len(p) else p
    return mz, p


def _merged(mz: Floats, intensity: Floats) -> tuple[Floats, Floats]:
    """Merge peaks that are closer than twice the tolerance, so that a peak can match only one other."""
    if not len(mz):
        return mz, intensity
    group: NDArray[np.int64] = np.concatenate([[0], np.cumsum(np.diff(mz) > 2 * TOLERANCE_DA)])
    total = np.bincount(group, weights=intensity).astype(np.float64)
    return np.bincount(group, weights=mz * intensity) / total, total


def _x_log_x(x: Floats) -> Floats:
    result: Floats = x * np.log2(x)
    return result
