"""From scores to probabilities: a softmax over the candidates of a case, with one temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models_ml.evaluate.ranking import Floats, Ranking

GOLDEN_RATIO = (5**0.5 - 1) / 2
STEPS = 60
# The search range, in multiples of the standard deviation of the scores.
COLDEST, HOTTEST = 1e-4, 1e4


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of n cases as one array (n, W), padded with -inf."""

    scores: Floats
    log_counts: Floats  # (n, W), log of the number of candidates that share a score
    truth: Floats  # (n,), NaN: the truth is no candidate

    @classmethod
    def of(cls, rankings: Sequence[Ranking]) -> Scores:
        width = max((len(ranking.scores) + len(ranking.rest_scores) for ranking in rankings), default=0)
        scores = np.full((len(rankings), max(width, 1)), -np.inf)
        log_counts = np.zeros_like(scores)
        for row, ranking in enumerate(rankings):
            kept = len(ranking.scores)
            n = kept + len(ranking.rest_scores)
            scores[row, :kept] = ranking.scores
            scores[row, kept:n] = ranking.rest_scores
            log_counts[row, kept:n] = np.log(ranking.rest_counts)
        return cls(scores, log_counts, np.array([ranking.truth_score for ranking in rankings]))

    def log_normaliser(self, temperature: float) -> Floats:
        """Log of the sum over candidates of exp(score / temperature), (n,)."""
        exponents = self.scores / temperature + self.log_counts
        greatest = exponents.max(axis=1)
        safe = np.where(np.isfinite(greatest), greatest, 0.0)
        with np.errstate(divide="ignore"):
            total: Floats = np.log(np.exp(exponents - safe[:, None]).sum(axis=1)) + safe
        return total


def log_p_truth(rankings: Sequence[Ranking], temperature: float) -> Floats:
    """Natural log of the probability of the truth, (n,); NaN if it is no candidate."""
    table = Scores.of(rankings)
    log_p: Floats = table.truth / temperature - table.log_normaliser(temperature)
    return log_p


def p_first(rankings: Sequence[Ranking], temperature: float) -> Floats:
    """Probability of the first candidate, (n,); NaN without a candidate."""
    table = Scores.of(rankings)
    first = np.array([ranking.scores[0] if len(ranking.scores) else np.nan for ranking in rankings])
    with np.errstate(invalid="ignore"):
        p: Floats = np.exp(first / temperature - table.log_normaliser(temperature))
    return p


def fit_temperature(rankings: Sequence[Ranking]) -> float:
    """The temperature with the highest likelihood of the truths.

    Raises ValueError if no truth is a candidate.

    The loss is convex in 1 / temperature. So a golden-section search over log temperature finds the minimum.
    """
    usable = [ranking for ranking in rankings if ranking.truth_is_candidate]
    if not usable:
        raise ValueError("No truth is among its candidates, so no temperature can be fitted.")
    table = Scores.of(usable)
    listed = table.scores[np.isfinite(table.scores)]
    spread = float(listed.std()) or 1.0

    def loss(log_temperature: float) -> float:
        temperature = spread * np.exp(log_temperature)
        return float((table.log_normaliser(temperature) - table.truth / temperature).mean())

    low, high = np.log(COLDEST), np.log(HOTTEST)
    left, right = high - GOLDEN_RATIO * (high - low), low + GOLDEN_RATIO * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN_RATIO * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN_RATIO * (high - low)
            at_right = loss(right)
    return float(spread * np.exp((low + high) / 2))
