"""Fits the two numbers that turn scores into probabilities, on spectra that the weights never saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models_ml.formulas.elements import Floats
from models_ml.formulas.model import Calibration

_TEMPERATURES = np.geomspace(0.5, 5.0, 47)
_OTHERS = np.linspace(-8.0, 8.0, 65)


def fit_calibration(scores: Sequence[Floats], truths: Sequence[int | None]) -> Calibration:
    """The temperature, and the score of "none of these", under which the truths are most probable.

    `truths`: the right row of each list, or None if it is not among them. The grid of `other`
    is relative to the mean over lists of the largest score: the origin of the scores does not matter.
    """
    origin = float(np.mean([values.max() for values in scores if len(values)]))
    best = (np.inf, Calibration(1.0, 0.0))
    for temperature in _TEMPERATURES.tolist():
        total = np.array([_log_sum(values / temperature) for values in scores])
        right = np.array(
            [
                values[truth] / temperature if truth is not None else np.nan
                for values, truth in zip(scores, truths, strict=True)
            ]
        )
        for shift in _OTHERS.tolist():
            other = origin / temperature + shift
            log_probability = np.where(np.isnan(right), other, right) - np.logaddexp(total, other)
            loss = -float(log_probability.mean())
            if loss < best[0]:
                best = (loss, Calibration(temperature, other))
    return best[1]


def _log_sum(values: Floats) -> float:
    return float(np.logaddexp.reduce(values)) if len(values) else -np.inf
