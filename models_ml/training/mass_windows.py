"""Molecules in order of mass: mass windows and negatives of similar mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_PPM = 10.0  # half width of the precursor window, as in the evaluation


@dataclass(frozen=True, slots=True, eq=False)
class MassSorted:
    """Molecules in order of mass, for windows by bisection."""

    order: NDArray[np.int64]  # molecule rows, lightest first
    mass: NDArray[np.float64]  # their masses

    @classmethod
    def of(cls, mass: NDArray[np.float64], without: NDArray[np.int64] | None = None) -> MassSorted:
        """All rows, or all that are not in `without`."""
        order = np.argsort(mass, kind="stable")
        if without is not None:
            order = order[~np.isin(order, without)]
        return cls(order, mass[order])

    def window(self, mass: float, precursor_mz: float) -> NDArray[np.int64]:
        """Rows of the molecules within WINDOW_PPM of the precursor's m/z around `mass`, ends included."""
        tolerance_da = precursor_mz * WINDOW_PPM * 1e-6
        first = np.searchsorted(self.mass, mass - tolerance_da, "left")
        last = np.searchsorted(self.mass, mass + tolerance_da, "right")
        return self.order[first:last]


@dataclass(frozen=True, slots=True, eq=False)
class NearMassNegatives:
    """Draws library molecules of similar mass, never the molecule itself."""

    mass_sorted: MassSorted
    reach: int = 150  # positions up and down the library sorted by mass

    def draw(
        self, mass: NDArray[np.float64], own: NDArray[np.int64], number: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Library rows (B, number) for molecules of `mass` (B,) whose own rows are `own` (B,)."""
        middle = np.searchsorted(self.mass_sorted.mass, mass)
        last = len(self.mass_sorted.order) - 1
        offsets = rng.integers(-self.reach, self.reach, (len(mass), number))
        positions = (middle[:, None] + offsets).clip(0, last)
        drawn = self.mass_sorted.order[positions]
        # The molecule itself would be a false negative. Its neighbour replaces it.
        neighbours = np.where(positions == last, positions - 1, positions + 1)
        return np.where(drawn == own[:, None], self.mass_sorted.order[neighbours], drawn)
