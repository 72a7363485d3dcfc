"""How a method ranked one case's candidates: the best with their scores, the others counted by score."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NEVER = float("inf")
# So many candidates are kept one by one; nearly every window is smaller. Of a whole library the others go
# into bins of score, which is all that a softmax over them needs.
KEPT = 256
REST_BINS = 512

Floats = NDArray[np.float64]
_NONE: Floats = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Scores order candidates, larger is better; what they mean is the method's own affair."""

    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # best first
    scores: Floats = field(default_factory=lambda: _NONE)  # of `keys`, descending
    rest_scores: Floats = field(default_factory=lambda: _NONE)  # of the candidates beyond `keys`, in groups
    rest_counts: Floats = field(default_factory=lambda: _NONE)  # how many each group holds
    rank: float = NEVER  # expected place of the truth: equal scores share their places' mean
    truth_score: float = float("nan")  # NaN: the truth is no candidate
    n_candidates: int = 0  # 0: the spectrum could not be asked
    # What the method itself says of its first candidate, where it says anything.
    p_right: float | None = None
    p_close: float | None = None
    p_absent: float | None = None
    abstains: bool | None = None
    beams: tuple[str, ...] = ()  # first blocks of the generated molecules, "" if invalid

    @property
    def truth_is_candidate(self) -> bool:
        return not np.isnan(self.truth_score)


def rank_by_score(keys: NDArray[np.int64], scores: Floats, truth: int | None) -> Ranking:
    """The ranking of candidates that all have a score. `truth`: its key, which need not be among `keys`.

    Raises ValueError for a score that is no number: it would compare as neither better nor worse.
    """
    if not len(keys):
        return Ranking()
    if not np.isfinite(scores).all():
        raise ValueError("A candidate's score is not a finite number.")
    order = _best(scores)
    rest = np.delete(scores, order) if len(order) < len(scores) else _NONE
    rest_scores, rest_counts = _binned(rest)
    place = np.flatnonzero(keys == truth) if truth is not None else np.zeros(0, np.int64)
    rank, truth_score = NEVER, float("nan")
    if len(place):
        truth_score = float(scores[place[0]])
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

    A truth that is a candidate but not listed has no rank. In the posterior every unlisted candidate counts
    as one that ties with the last listed.
    """
    ranking = rank_by_score(listed, scores, truth)
    n_unlisted = len(candidates) - len(listed)
    if not len(listed) or n_unlisted == 0:
        return ranking
    last = float(scores.min())
    missed = truth is not None and not ranking.truth_is_candidate and truth in candidates
    return Ranking(
        keys=ranking.keys,
        scores=ranking.scores,
        rest_scores=np.append(ranking.rest_scores, last),
        rest_counts=np.append(ranking.rest_counts, n_unlisted),
        rank=ranking.rank,
        truth_score=last if missed else ranking.truth_score,
        n_candidates=len(candidates),
    )


def _best(scores: Floats) -> NDArray[np.int64]:
    """Places of the KEPT greatest scores, descending, equal ones in the order given."""
    some = np.arange(len(scores))
    if len(scores) > KEPT:
        least = np.partition(scores, len(scores) - KEPT)[len(scores) - KEPT]
        some = np.flatnonzero(scores >= least)
    return some[np.argsort(-scores[some], kind="stable")[:KEPT]]


def _binned(scores: Floats) -> tuple[Floats, Floats]:
    """Scores as few groups: the mean and the number of each."""
    if len(scores) <= REST_BINS:
        return scores, np.ones(len(scores))
    low, high = float(scores.min()), float(scores.max())
    place = ((scores - low) / max(high - low, 1e-12) * (REST_BINS - 1)).astype(np.int64)
    counts = np.bincount(place, minlength=REST_BINS).astype(float)
    sums = np.bincount(place, weights=scores, minlength=REST_BINS)
    some = counts > 0
    return sums[some] / counts[some], counts[some]
