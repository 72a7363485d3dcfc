"""What candidates explain of spectra, as the fragment scorer reads it. Plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_MATCH_NUMBERS = 12
N_PAIR_NUMBERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """What one candidate explains of one spectrum: M of its strongest peaks."""

    numbers: NDArray[np.float32]  # (M, N_MATCH_NUMBERS) of the easiest fragment of each explained peak
    weight: NDArray[np.float32]  # (M,) share of the peak in its spectrum, by square root of intensity
    unexplained: float  # share of the spectrum that no fragment explains
    possible: float  # share whose m/z some subformula of the candidate has


@dataclass(frozen=True, slots=True, eq=False)
class FragmentMatches:
    """P pairs of a spectrum and a candidate, and the M peaks that are explained in them, all in one."""

    numbers: NDArray[np.float32]  # (M, N_MATCH_NUMBERS)
    weight: NDArray[np.float32]  # (M,)
    pair: NDArray[np.int64]  # (M,) which pair
    pair_numbers: NDArray[np.float32]  # (P, N_PAIR_NUMBERS) unexplained, possible

    @classmethod
    def of(cls, pairs: Sequence[Explained]) -> FragmentMatches:
        return cls(
            numbers=np.concatenate([one.numbers for one in pairs]),
            weight=np.concatenate([one.weight for one in pairs]),
            pair=np.repeat(np.arange(len(pairs)), [len(one.weight) for one in pairs]),
            pair_numbers=np.array([[one.unexplained, one.possible] for one in pairs], np.float32),
        )
