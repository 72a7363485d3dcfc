"""Whether stated probabilities are kept: calibration error, accuracy where most sure, telling absence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_ml.evaluate.ranking import Floats

N_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    confidence: float  # mean stated probability
    accuracy: float  # share that was right
    n: int


def reliability(confidence: Floats, right: Floats, *, n_bins: int = N_BINS) -> list[ReliabilityBin]:
    """Bins of equal numbers of spectra, least sure first. `confidence` and `right` (n,)."""
    order = np.argsort(confidence, kind="stable")
    return [
        ReliabilityBin(
            round(float(confidence[part].mean()), 4), round(float(right[part].mean()), 4), len(part)
        )
        for part in np.array_split(order, n_bins)
        if len(part)
    ]


def expected_calibration_error(bins: list[ReliabilityBin]) -> float:
    """Mean distance of accuracy and confidence over the bins, weighted by their size."""
    total = sum(one.n for one in bins)
    return sum(abs(one.accuracy - one.confidence) * one.n for one in bins) / total


def accuracy_at_coverage(confidence: Floats, right: Floats, coverage: float) -> float:
    """Share right among the `coverage` share that is most sure; equal confidences count by their mean."""
    n = max(round(len(confidence) * coverage), 1)
    order = np.argsort(-confidence, kind="stable")
    least = confidence[order[n - 1]]
    sure, border = confidence > least, confidence == least
    return float((right[sure].sum() + right[border].mean() * (n - sure.sum())) / n)


def area_under_curve(absent: Floats, present: Floats) -> float:
    """Chance that a spectrum whose molecule is absent states more than one whose molecule is present."""
    ordered = np.sort(present)
    below = np.searchsorted(ordered, absent, "left")
    not_above = np.searchsorted(ordered, absent, "right")
    return float((below + not_above).mean() / 2 / len(present))
