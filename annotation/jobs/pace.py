"""How fast the batches of a job ended, and how long the rest will take, with a range.

Plain numbers only: `progress` reads them from the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

# Fewer batches, or less time, say more about the start of the work than about its pace.
FEWEST_BATCHES = 3
SHORTEST_WORK_S = 5.0
# A pace with a larger standard error, as a share of it, would give a range without meaning.
LARGEST_ERROR = 0.5
# A longer gap between two batches, in durations of a batch, is not work: no worker ran. Shorter gaps are the
# turns of other jobs.
LONGEST_GAP = 10
SHORTEST_PAUSE_S = 120.0


@dataclass(frozen=True, slots=True)
class EndedBatch:
    """Features that were claimed together and have all ended."""

    n_features: int
    begun_ago_s: float
    ended_ago_s: float


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until the last feature ends: the expected number, with the range that the batches allow."""

    low_s: float
    expected_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    s_per_feature: float
    recent_s_per_feature: float  # over the later half of the batches
    spread: float  # standard deviation of the time of n features, divided by the square root of n
    n_features: int
    last_ended_ago_s: float

    @property
    def rate_per_s(self) -> float:
        return 1 / self.s_per_feature

    @property
    def is_precise(self) -> bool:
        return self.spread / math.sqrt(self.n_features) <= LARGEST_ERROR * self.s_per_feature

    def time_left(self, n_open: int, n_running: int) -> TimeLeft | None:
        """For `n_open` features, of which `n_running` are running. None while the pace is too uncertain.

        The range covers two standard errors, and the pace of the later half of the batches, which
        differs where the work became faster or slower.
        """
        if not n_open or not self.is_precise:
            return None
        expected = n_open * self.s_per_feature
        recent = n_open * self.recent_s_per_feature
        error = 2 * self.spread * math.sqrt(n_open * (1 + n_open / self.n_features))
        # The running features have been computed for a while.
        spent = min(self.last_ended_ago_s, n_running * self.s_per_feature)
        low, high = min(expected - error, recent), max(expected + error, recent)
        return TimeLeft(max(low - spent, 0.0), expected - spent, high - spent)


def measure_pace(batches: Sequence[EndedBatch]) -> Pace | None:
    """The pace over the batches, in any order. None while it means nothing."""
    if len(batches) < FEWEST_BATCHES:
        return None
    in_order = sorted(batches, key=lambda batch: -batch.ended_ago_s)
    times = _times_of_work(in_order)
    sizes = [batch.n_features for batch in in_order]
    if sum(times) < SHORTEST_WORK_S:
        return None
    n, k, later = sum(sizes), len(sizes), len(sizes) // 2
    pace = sum(times) / n
    # The variance of the time of a batch grows with its size: the estimate of a ratio.
    residuals = sum((time - pace * size) ** 2 for time, size in zip(times, sizes, strict=True))
    return Pace(
        s_per_feature=pace,
        recent_s_per_feature=sum(times[later:]) / sum(sizes[later:]),
        spread=math.sqrt(residuals / n * k / (k - 1)),
        n_features=n,
        last_ended_ago_s=in_order[-1].ended_ago_s,
    )


def _times_of_work(in_order: Sequence[EndedBatch]) -> list[float]:
    """The time from the end of each batch before to its own end, without pauses. Several workers overlap."""
    duration = median(batch.begun_ago_s - batch.ended_ago_s for batch in in_order)
    longest_gap = max(SHORTEST_PAUSE_S, LONGEST_GAP * duration)
    first = in_order[0]
    times = [first.begun_ago_s - first.ended_ago_s]
    for before, batch in pairwise(in_order):
        gap = before.ended_ago_s - batch.begun_ago_s
        pause = gap if gap > longest_gap else 0.0
        times.append(before.ended_ago_s - batch.ended_ago_s - pause)
    return times
