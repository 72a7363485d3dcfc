"""Every formula of a fragment or a loss up to 250 Da, sorted by mass: looked up for each peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import (
    BONDS,
    CARBON,
    HYDROGEN,
    MASSES,
    OXYGEN,
    Bits,
    Floats,
    pack,
)
from models_ml.formulas.enumeration import HeteroTable

# Da. One of fragment and loss is below it for all peaks of a precursor up to 500 Da. Beyond, the peaks in the
# middle are not read; they have very many formulas, and nearly every candidate explains them.
MAX_SMALL_DA = 250.0
# Hydrogens beyond those of a saturated molecule: an ion has 1, and a loss of several molecules 2 for each.
_EXTRA_HYDROGENS = 3
_MAX_LOST_WATERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class SmallFormulas:
    """Sorted by mass: neutral mass in Da, packed counts, and `bonds` = counts @ BONDS; (m,) each."""

    mass: Floats
    bits: Bits
    bonds: NDArray[np.int16]

    @classmethod
    def build(cls, rare_parts: Sequence[Sequence[int]]) -> SmallFormulas:
        """Parts of all formulas with one of these rare parts: about 0.7 million rows, 14 MB, in 0.3 s."""
        table = HeteroTable.build(sorted(_parts_of(rare_parts)), max_mass=MAX_SMALL_DA)
        hetero = pack(table.counts)
        slack = table.counts @ BONDS + 2 * np.minimum(table.counts[:, OXYGEN], _MAX_LOST_WATERS)
        hetero_bonds = table.counts @ BONDS
        masses, bits, bonds = [], [], []
        for carbon in range(int(MAX_SMALL_DA / MASSES[CARBON]) + 1):
            most = 2 * carbon + int(slack.max(initial=0)) + _EXTRA_HYDROGENS
            for hydrogen in range(most + 1):
                own = carbon * MASSES[CARBON] + hydrogen * MASSES[HYDROGEN]
                n_light = int(np.searchsorted(table.mass, MAX_SMALL_DA - own, "right"))
                if not n_light:
                    break
                rows = np.flatnonzero(slack[:n_light] + 2 * carbon + _EXTRA_HYDROGENS >= hydrogen)
                masses.append(table.mass[rows] + own)
                both = np.zeros((1, len(MASSES)), np.int64)
                both[0, [CARBON, HYDROGEN]] = carbon, hydrogen
                bits.append(hetero[rows] + pack(both))
                bonds.append(hetero_bonds[rows] + 2 * carbon - hydrogen)
        mass = np.concatenate(masses)
        order = np.argsort(mass, kind="stable")
        return cls(mass[order], np.concatenate(bits)[order], np.concatenate(bonds)[order].astype(np.int16))

    def within(self, low: float, high: float) -> slice:
        first, last = np.searchsorted(self.mass, [low, high])
        return slice(int(first), int(last))


def _parts_of(rare_parts: Sequence[Sequence[int]]) -> set[tuple[int, ...]]:
    """The rare parts and everything that remains when atoms leave."""
    known = {tuple(part) for part in rare_parts}
    waiting = list(known)
    while waiting:
        part = waiting.pop()
        for index, count in enumerate(part):
            if count:
                smaller = (*part[:index], count - 1, *part[index + 1 :])
                if smaller not in known:
                    known.add(smaller)
                    waiting.append(smaller)
    return known
