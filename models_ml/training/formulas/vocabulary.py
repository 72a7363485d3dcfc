"""Counts which fragments and losses explain peaks by the true formula, and which by wrong ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import Bits, Floats
from models_ml.formulas.peak_evidence import PeakEvidence
from models_ml.formulas.vocabulary import N_KINDS, LogOdds, Vocabulary, kind_of

PRIOR_COUNT = 3.0  # of a fragment's kind, against its own counts
MIN_COUNT = 4.0  # explained peaks, counting each compound's spectra as parts of one
MAX_FORMULAS = 3_000  # of the most frequent fragments, and as many losses


class VocabularyCounts:
    """Collects the evidence of many spectra."""

    def __init__(self) -> None:
        self._fragments, self._losses = _SideCounts(), _SideCounts()

    def add(self, evidence: PeakEvidence, truth: int, wrong: NDArray[np.int64], weight: float) -> None:
        """`truth`: column of the right formula; `wrong`: columns of others, which count as one together."""
        for side, bits in ((self._fragments, evidence.fragment), (self._losses, evidence.loss)):
            side.add(bits[:, truth], evidence.explained[:, truth], side.right, weight)
            for column in wrong.tolist():
                side.add(bits[:, column], evidence.explained[:, column], side.wrong, weight / len(wrong))

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self._fragments.log_odds(), self._losses.log_odds())


class _SideCounts:
    def __init__(self) -> None:
        self.right: Counter[int] = Counter()
        self.wrong: Counter[int] = Counter()
        self.unexplained: dict[int, float] = {id(self.right): 0.0, id(self.wrong): 0.0}

    def add(self, bits: Bits, explained: NDArray[np.bool_], counter: Counter[int], weight: float) -> None:
        for key in bits[explained].tolist():
            counter[key] += weight  # type: ignore[assignment]
        self.unexplained[id(counter)] += weight * float((~explained).sum())

    def log_odds(self) -> LogOdds:
        bits = np.array(sorted(self.right.keys() | self.wrong.keys()), np.uint64)
        right = np.array([self.right[key] for key in bits.tolist()], float)
        wrong = np.array([self.wrong[key] for key in bits.tolist()], float)
        kinds = kind_of(bits)
        by_kind = _log_ratio(
            np.bincount(kinds, weights=right, minlength=N_KINDS),
            np.bincount(kinds, weights=wrong, minlength=N_KINDS),
        )
        odds = np.exp(by_kind[kinds])
        values = np.log((right + PRIOR_COUNT * odds / (1 + odds)) / (wrong + PRIOR_COUNT / (1 + odds)))
        frequent = np.flatnonzero(right + wrong >= MIN_COUNT)
        frequent = frequent[np.argsort(-(right + wrong)[frequent], kind="stable")[:MAX_FORMULAS]]
        frequent.sort()
        unexplained = _log_ratio(
            np.array([self.unexplained[id(self.right)]]), np.array([self.unexplained[id(self.wrong)]])
        )
        return LogOdds(bits[frequent], values[frequent], by_kind, float(unexplained[0]))


def _log_ratio(right: NDArray[Any], wrong: NDArray[Any]) -> Floats:
    ratio: Floats = np.log((right + 1.0) / (wrong + 1.0))
    return ratio
