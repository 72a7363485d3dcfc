"""All formulas of a neutral mass within a tolerance: two tables that meet in the middle.

One side is every C and H, the other a sorted table of every N, O and rare part. The rules of Senior and the
extended element ratios of Kind and Fiehn (BMC Bioinformatics 8, 105, 2007) remove what cannot be a molecule.
"""

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
    MAX_COUNTS,
    NITROGEN,
    OXYGEN,
    RARE,
    Counts,
    Floats,
)

MAX_NITROGENS, MAX_OXYGENS = 20, 25
# Da. Above it nearly every mass has more formulas than any evidence here can separate, and few library
# molecules (1 in 200) are heavier.
MAX_MASS_DA = 1_200.0
_MIN_UNSATURATED_HYDROGENS = (
    2 + MAX_NITROGENS + 8
)  # H that a formula without C may have, and one with C has more
# Largest number of each element per carbon: the extended range of Kind and Fiehn, 99.99 % of formulas. P and
# Si as there; I like Br.
_MAX_PER_CARBON = np.array([1, 6, 4, 3, 2, 3, 6, 2, 2, 2, 1])
_MIN_MONOVALENT_PER_CARBON = 0.1  # H and halogens; the rule for H alone would refuse perfluorinated molecules
_MONOVALENT = BONDS == -1


@dataclass(frozen=True, slots=True, eq=False)
class HeteroTable:
    """Every combination of N, O and a rare part, by mass: (m,) and (m, E)."""

    mass: Floats
    counts: NDArray[np.int8]

    @classmethod
    def build(cls, rare_parts: Sequence[Sequence[int]], max_mass: float = MAX_MASS_DA) -> HeteroTable:
        """`rare_parts`: counts of RARE, one row each."""
        rare = np.array(rare_parts, np.int8).reshape(-1, len(RARE))
        nitrogen, oxygen = np.meshgrid(
            np.arange(MAX_NITROGENS + 1), np.arange(MAX_OXYGENS + 1), indexing="ij"
        )
        organic = np.stack([nitrogen.ravel(), oxygen.ravel()], 1).astype(np.int8)
        counts = np.zeros((len(rare) * len(organic), len(MASSES)), np.int8)
        counts[:, [NITROGEN, OXYGEN]] = np.tile(organic, (len(rare), 1))
        counts[:, OXYGEN + 1 :] = np.repeat(rare, len(organic), 0)
        mass = counts @ MASSES
        order = np.argsort(mass, kind="stable")
        order = order[: np.searchsorted(mass[order], max_mass)]
        return cls(mass[order], counts[order])


def enumerate_formulas(
    mass: float, tolerance_da: float, table: HeteroTable, *, radicals: bool = False
) -> Counts:
    """Formulas (n, E) with |their mass - `mass`| <= `tolerance_da`, in no useful order.

    `radicals`: also formulas with an odd number of electrons, as permanent cations such as C5H14NO+ have.
    """
    carbon, hydrogen = _carbon_and_hydrogen(mass + tolerance_da)
    rest = mass - carbon * MASSES[CARBON] - hydrogen * MASSES[HYDROGEN]
    low = np.searchsorted(table.mass, rest - tolerance_da, "left")
    high = np.searchsorted(table.mass, rest + tolerance_da, "right")
    n_found = high - low
    pair = np.repeat(np.arange(len(rest)), n_found)
    first = np.cumsum(n_found) - n_found
    row = np.arange(len(pair)) - first[pair] + low[pair]
    counts = table.counts[row].astype(np.int16)
    counts[:, CARBON] = carbon[pair]
    counts[:, HYDROGEN] = hydrogen[pair]
    possible: Counts = counts[is_possible(counts, radicals=radicals)]
    return possible


def is_possible(counts: NDArray[np.integer], *, radicals: bool = False) -> NDArray[np.bool_]:
    """Which formulas (n, E) the rules of valence and element ratios allow."""
    double_dbe = 2 + counts @ BONDS
    carbon = counts[:, CARBON]
    possible = (carbon > 0) & (double_dbe >= (-1 if radicals else 0))
    if not radicals:
        possible &= double_dbe % 2 == 0
    possible &= (counts <= carbon[:, None] * _MAX_PER_CARBON).all(1)
    possible &= (counts <= MAX_COUNTS).all(1)
    enough: NDArray[np.bool_] = counts[:, _MONOVALENT].sum(1) >= _MIN_MONOVALENT_PER_CARBON * carbon
    return possible & enough


def _carbon_and_hydrogen(mass: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every C and H of at most this mass with no more H than the other elements could bind."""
    carbon = np.arange(1, min(int(mass / MASSES[CARBON]), int(MAX_COUNTS[CARBON])) + 1)
    most = np.minimum(2 * carbon + _MIN_UNSATURATED_HYDROGENS, 6 * carbon)
    most = np.minimum(most, ((mass - carbon * MASSES[CARBON]) / MASSES[HYDROGEN]).astype(np.int64))
    most = np.minimum(most, MAX_COUNTS[HYDROGEN])
    grid = np.arange(most.max(initial=-1) + 1)[None, :] <= most[:, None]
    index, hydrogen = np.nonzero(grid)
    return carbon[index], hydrogen
