"""A method's ranking of the candidates of one case: the best with their scores, the rest as a histogram."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NEVER = float("inf")
# Number of candidates that are stored individually; nearly every mass window is smaller. The rest of a whole
# library is stored as a histogram of scores, which is enough for a softmax over all candidates.
MAX_KEPT = 256
REST_BINS = 512

Floats = NDArray[np.float64]
_EMPTY: Floats = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Larger scores are better. Their scale depends on the method."""

    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # best first
    scores: Floats = field(default_factory=lambda: _EMPTY)  # of `keys`, descending
    rest_scores: Floats = field(default_factory=lambda: _EMPTY)  # of the other candidates, in groups
    rest_counts: Floats = field(default_factory=lambda: _EMPTY)  # number of candidates in each group
    rank: float = NEVER  # expected rank of the truth: equal scores share their mean rank
    truth_score: float = float("nan")  # NaN: the truth is no candidate
    n_candidates: int = 0  # 0: the spectrum cannot be annotated
    # What the method itself states about its first candidate; None: it states nothing.
    p_right: float | None = None
    p_close: float | None = None
    p_absent: float | None = None
    abstains: bool | None = None
    beams: tuple[str, ...] = ()  # first blocks of the generated molecules, "" if invalid

    @property
    def truth_is_candidate(self) -> bool:
        return not np.isnan(self.truth_score)


def rank_by_score(keys: NDArray[np.int64], scores: Floats, truth: int | None) -> Ranking:
    """The ranking of candidates that all have a score. `truth`: its key, which may be missing in `keys`.

    Raises ValueError for a score that is not finite, because such scores have no order.
    """
    if not len(keys):
        return Ranking()
    if not np.isfinite(scores).all():
        raise ValueError("A candidate's score is not a finite number.")
    order = _best(scores)
    rest = np.delete(scores, order) if len(order) < len(scores) else _EMPTY
    rest_scores, rest_counts = _binned(rest)
    index = np.flatnonzero(keys == truth) if truth is not None else np.zeros(0, np.int64)
    rank, truth_score = NEVER, float("nan")
    if len(index):
        truth_score = float(scores[index[0]])
        equal = int((scores == truth_score).sum())
        rank = float((scores > truth_score).sum()) + (equal + 1) / 2
    return Ranking(
        keys=keys[order],
        scores=scores[order],
        rest_scores=rest_scores,
        rest_counts=rest_counts,
        rank=rank,
        truth_score=truth_score,
        n_candidates=len(keys),
    )


def rank_shortlist(
    listed: NDArray[np.int64], scores: Floats, candidates: NDArray[np.int64], truth: int | None
) -> Ranking:
    """The ranking of a method that scores only a shortlist of the candidates.

    A truth that is not in the shortlist has no rank. For probabilities, every candidate outside the shortlist
    has the score of the last one inside.
    """
    ranking = rank_by_score(listed, scores, truth)
    n_unlisted = len(candidates) - len(listed)
    if not len(listed) or n_unlisted == 0:
        return ranking
    last = float(scores.min())
    is_missed = truth is not None and not ranking.truth_is_candidate and truth in candidates
    return Ranking(
        keys=ranking.keys,
        scores=ranking.scores,
        rest_scores=np.append(ranking.rest_scores, last),
        rest_counts=np.append(ranking.rest_counts, n_unlisted),
        rank=ranking.rank,
        truth_score=last if is_missed else ranking.truth_score,
        n_candidates=len(candidates),
    )


def _best(scores: Floats) -> NDArray[np.int64]:
    """Indices of the MAX_KEPT largest scores, descending; equal scores keep their order."""
    indices = np.arange(len(scores))
    if len(scores) > MAX_KEPT:
        least = np.partition(scores, len(scores) - MAX_KEPT)[len(scores) - MAX_KEPT]
        indices = np.flatnonzero(scores >= least)
    return indices[np.argsort(-scores[indices], kind="stable")[:MAX_KEPT]]


def _binned(scores: Floats) -> tuple[Floats, Floats]:
    """A histogram of the scores: mean score and number of scores of each bin that is not empty."""
    if len(scores) <= REST_BINS:
        return scores, np.ones(len(scores))
    low, high = float(scores.min()), float(scores.max())
    bins = ((scores - low) / max(high - low, 1e-12) * (REST_BINS - 1)).astype(np.int64)
    counts = np.bincount(bins, minlength=REST_BINS).astype(float)
    sums = np.bincount(bins, weights=scores, minlength=REST_BINS)
    is_used = counts > 0
    return sums[is_used] / counts[is_used], counts[is_used]
