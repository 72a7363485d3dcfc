"""Classical similarities of two spectra: modified cosine, and spectral entropy against a whole collection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.ranking import Floats
from models_ml.spectra.features import SpectrumFeatures

TOLERANCE_DA = 0.02


def modified_cosine(first: SpectrumFeatures, second: SpectrumFeatures) -> float:
    """Greedy cosine of square-root intensities, 0 to 1.

    Peaks match at equal m/z, or at an m/z that differs as the precursors do. Each peak counts once, the
    largest products first.
    """
    a, b = first.mz.astype(np.float64)[:, None], second.mz.astype(np.float64)[None, :]
    heights_a = np.sqrt(first.intensity.astype(np.float64))
    heights_b = np.sqrt(second.intensity.astype(np.float64))
    shift = first.precursor_mz - second.precursor_mz
    difference = a - b
    near = (np.abs(difference) <= TOLERANCE_DA) | (np.abs(difference - shift) <= TOLERANCE_DA)
    rows, columns = np.nonzero(near)
    products = heights_a[rows] * heights_b[columns]
    used_a, used_b, total = set(), set(), 0.0
    for place in np.argsort(-products, kind="stable"):
        row, column = int(rows[place]), int(columns[place])
        if row not in used_a and column not in used_b:
            used_a.add(row)
            used_b.add(column)
            total += float(products[place])
    length = np.sqrt((heights_a**2).sum() * (heights_b**2).sum())
    return total / float(length) if length else 0.0


class EntropyIndex:
    """Spectral entropy similarity of a spectrum to every spectrum of a collection, by its sorted peaks.

    With probabilities a and b of a matched pair, each pair adds (f(a + b) - f(a) - f(b)) / 2 where
    f(x) = x log2 x. Intensities of spectra whose entropy is below 3 nats are evened out first (Li et al.
    2021). Peaks of one spectrum nearer than twice the tolerance are merged.
    """

    def __init__(self, features: Sequence[SpectrumFeatures]) -> None:
        self.n = len(features)
        spectra = [_weighted(one) for one in features]
        mz = np.concatenate([np.zeros(0), *(one[0] for one in spectra)])
        order = np.argsort(mz, kind="stable")
        self._mz = mz[order]
        self._p = np.concatenate([np.zeros(0), *(one[1] for one in spectra)])[order]
        self._rows = np.repeat(np.arange(self.n), [len(one[0]) for one in spectra])[order]

    def similarities(self, features: SpectrumFeatures) -> Floats:
        """(n,), 0 to 1."""
        mz, p = _weighted(features)
        first = np.searchsorted(self._mz, mz - TOLERANCE_DA, "left")
        last = np.searchsorted(self._mz, mz + TOLERANCE_DA, "right")
        counts = last - first
        places = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        ours, theirs = np.repeat(p, counts), self._p[places]
        added = (_x_log_x(ours + theirs) - _x_log_x(ours) - _x_log_x(theirs)) / 2
        return np.minimum(np.bincount(self._rows[places], weights=added, minlength=self.n), 1.0)


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
    """Peaks nearer than twice the tolerance become one, so that a peak can match only one other."""
    if not len(mz):
        return mz, intensity
    group: NDArray[np.int64] = np.concatenate([[0], np.cumsum(np.diff(mz) > 2 * TOLERANCE_DA)])
    total = np.bincount(group, weights=intensity).astype(np.float64)
    return np.bincount(group, weights=mz * intensity) / total, total


def _x_log_x(x: Floats) -> Floats:
    result: Floats = x * np.log2(x)
    return result
