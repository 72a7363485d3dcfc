"""Input of the fragment scorer: the peaks of spectra that candidates explain. Plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_MATCH_NUMBERS = 12
N_PAIR_NUMBERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """Peaks that one candidate explains in one spectrum: M of its strongest peaks."""

    numbers: NDArray[np.float32]  # (M, N_MATCH_NUMBERS) of the fragment ion of lowest effort at each peak
    weight: NDArray[np.float32]  # (M,) share of the peak in its spectrum, by square root of intensity
    unexplained: float  # share of the peaks that no fragment ion explains
    possible: float  # share of the peaks whose m/z a subformula of the candidate has


@dataclass(frozen=True, slots=True, eq=False)
class FragmentMatches:
    """P pairs of a spectrum and a candidate, and the M explained peaks of all pairs, concatenated."""

    numbers: NDArray[np.float32]  # (M, N_MATCH_NUMBERS)
    weight: NDArray[np.float32]  # (M,)
    pair: NDArray[np.int64]  # (M,) index of the pair
    pair_numbers: NDArray[np.float32]  # (P, N_PAIR_NUMBERS) unexplained, possible

    @classmethod
    def of(cls, pairs: Sequence[Explained]) -> FragmentMatches:
        return cls(
            numbers=np.concatenate([pair.numbers for pair in pairs]),
            weight=np.concatenate([pair.weight for pair in pairs]),
            pair=np.repeat(np.arange(len(pairs)), [len(pair.weight) for pair in pairs]),
            pair_numbers=np.array([[pair.unexplained, pair.possible] for pair in pairs], np.float32),
        )
