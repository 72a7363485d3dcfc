"""How well stated probabilities match observed frequencies, and how well absence is detected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_ml.evaluate.ranking import Floats

N_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    confidence: float  # mean stated probability
    accuracy: float  # share of right answers
    n: int


def reliability(confidence: Floats, right: Floats, *, n_bins: int = N_BINS) -> list[ReliabilityBin]:
    """Bins of equal numbers of spectra, lowest confidence first. `confidence` and `right` (n,)."""
    order = np.argsort(confidence, kind="stable")
    return [
        ReliabilityBin(
            round(float(confidence[part].mean()), 4), round(float(right[part].mean()), 4), len(part)
        )
        for part in np.array_split(order, n_bins)
        if len(part)
    ]


def expected_calibration_error(bins: list[ReliabilityBin]) -> float:
    """Mean absolute difference of accuracy and confidence over the bins, weighted by their size."""
    total = sum(bin_.n for bin_ in bins)
    return sum(abs(bin_.accuracy - bin_.confidence) * bin_.n for bin_ in bins) / total


def accuracy_at_coverage(confidence: Floats, right: Floats, coverage: float) -> float:
    """Share of right answers among the most confident spectra; `coverage` is their share of all spectra.

    Spectra that tie at the lowest included confidence count with their mean.
    """
    n = max(round(len(confidence) * coverage), 1)
    order = np.argsort(-confidence, kind="stable")
    least = confidence[order[n - 1]]
    above, border = confidence > least, confidence == least
    return float((right[above].sum() + right[border].mean() * (n - above.sum())) / n)


def area_under_curve(absent: Floats, present: Floats) -> float:
    """Probability that a spectrum has a higher value if its molecule is absent than if it is present."""
    ordered = np.sort(present)
    below = np.searchsorted(ordered, absent, "left")
    not_above = np.searchsorted(ordered, absent, "right")
    return float((below + not_above).mean() / 2 / len(present))
