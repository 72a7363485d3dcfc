"""Means over spectra and over compounds, with bootstrap intervals over compounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models_ml.evaluate.ranking import Floats

N_RESAMPLES = 1000


class Resampling:
    """Bootstrap over compounds. Every metric uses the same draws, so that differences are paired."""

    def __init__(self, compounds: Sequence[str], *, seed: int) -> None:
        names, self.group = np.unique(np.array(compounds), return_inverse=True)
        self.n_compounds = len(names)
        rng = np.random.default_rng(seed)
        self.draws = rng.integers(0, self.n_compounds, (N_RESAMPLES, self.n_compounds))

    def summary(self, values: Mapping[str, Floats]) -> dict[str, Any]:
        """Means over spectra; under `macro` means over compounds; under `ci95` 95 % intervals of the first.

        NaN: the spectrum does not count for this metric.
        """
        result: dict[str, Any] = {name: _rounded(float(np.nanmean(value))) for name, value in values.items()}
        result["macro"] = {name: self.macro(value) for name, value in values.items()}
        result["ci95"] = {name: self.interval(value) for name, value in values.items()}
        return result

    def macro(self, value: Floats) -> float:
        """Mean over compounds of the mean over the spectra of each."""
        totals, counts = self._by_compound(value)
        has_values = counts > 0
        return _rounded(float((totals[has_values] / counts[has_values]).mean()))

    def interval(self, value: Floats) -> list[float]:
        """95 % interval of the mean over spectra: [low, high]."""
        totals, counts = self._by_compound(value)
        drawn = counts[self.draws].sum(1)
        has_values = drawn > 0
        means = totals[self.draws].sum(1)[has_values] / drawn[has_values]
        return [_rounded(float(bound)) for bound in np.percentile(means, [2.5, 97.5])]

    def _by_compound(self, value: Floats) -> tuple[Floats, Floats]:
        """Sum and number of the finite values of each compound."""
        counted = np.isfinite(value)
        totals = np.bincount(self.group, weights=np.where(counted, value, 0.0), minlength=self.n_compounds)
        counts = np.bincount(self.group, weights=counted, minlength=self.n_compounds)
        return totals.astype(np.float64), counts.astype(np.float64)


def _rounded(value: float) -> float:
    return round(value, 4)
