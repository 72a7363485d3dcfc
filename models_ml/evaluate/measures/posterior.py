"""From scores to probabilities: a softmax over a case's candidates, with one temperature fitted elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models_ml.evaluate.ranking import Floats, Ranking

GOLDEN = (5**0.5 - 1) / 2
STEPS = 60
# Temperatures are looked for between these multiples of the scores' spread.
COLDEST, HOTTEST = 1e-4, 1e4


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of n cases side by side, (n, W): -inf where a case has fewer; with how many share each."""

    scores: Floats
    log_counts: Floats
    truth: Floats  # (n,), NaN: the truth is no candidate

    @classmethod
    def of(cls, rankings: Sequence[Ranking]) -> Scores:
        width = max((len(one.scores) + len(one.rest_scores) for one in rankings), default=0)
        scores = np.full((len(rankings), max(width, 1)), -np.inf)
        log_counts = np.zeros_like(scores)
        for row, one in enumerate(rankings):
            kept, n = len(one.scores), len(one.scores) + len(one.rest_scores)
            scores[row, :kept] = one.scores
            scores[row, kept:n] = one.rest_scores
            log_counts[row, kept:n] = np.log(one.rest_counts)
        return cls(scores, log_counts, np.array([one.truth_score for one in rankings]))

    def log_normaliser(self, temperature: float) -> Floats:
        """log of the sum over candidates of exp(score / temperature), (n,)."""
        exponents = self.scores / temperature + self.log_counts
        greatest = exponents.max(axis=1)
        safe = np.where(np.isfinite(greatest), greatest, 0.0)
        with np.errstate(divide="ignore"):
            total: Floats = np.log(np.exp(exponents - safe[:, None]).sum(axis=1)) + safe
        return total


def log_p_truth(rankings: Sequence[Ranking], temperature: float) -> Floats:
    """Natural log of the truth's probability, (n,); NaN where it is no candidate."""
    table = Scores.of(rankings)
    log_p: Floats = table.truth / temperature - table.log_normaliser(temperature)
    return log_p


def p_first(rankings: Sequence[Ranking], temperature: float) -> Floats:
    """Probability of the first candidate, (n,); NaN where there is none."""
    table = Scores.of(rankings)
    first = np.array([one.scores[0] if len(one.scores) else np.nan for one in rankings])
    with np.errstate(invalid="ignore"):
        p: Floats = np.exp(first / temperature - table.log_normaliser(temperature))
    return p


def fit_temperature(rankings: Sequence[Ranking]) -> float:
    """The temperature at which the truths are likeliest. Raises ValueError if no truth is a candidate.

    The loss is convex in 1 / temperature, so a golden-section search on its logarithm finds the minimum.
    """
    asked = [one for one in rankings if one.truth_is_candidate]
    if not asked:
        raise ValueError("No truth is among its candidates, so there is nothing to fit a temperature on.")
    table = Scores.of(asked)
    listed = table.scores[np.isfinite(table.scores)]
    spread = float(listed.std()) or 1.0

    def loss(log_temperature: float) -> float:
        temperature = spread * np.exp(log_temperature)
        return float((table.log_normaliser(temperature) - table.truth / temperature).mean())

    low, high = np.log(COLDEST), np.log(HOTTEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = loss(right)
    return float(spread * np.exp((low + high) / 2))
