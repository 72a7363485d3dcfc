"""How usual a formula is among known structures, by three distributions. It sees no spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import (
    BONDS,
    CARBON,
    ELEMENTS,
    MASSES,
    NITROGEN,
    OXYGEN,
    RARE,
    Counts,
    Floats,
)
from models_ml.formulas.enumeration import MAX_NITROGENS, MAX_OXYGENS

MASS_BOUNDS = (150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 500.0, 650.0, 800.0)  # Da
MONOVALENT_BINS, MONOVALENT_STEP = 36, 0.1  # (H + halogens) / C
HETERO_BOUNDS = (0.05, 0.15, 0.25, 0.35, 0.5, 0.75, 1.0)  # (N + O) / C
N_TERMS = 3
_NAMES = ("rare part", "N and O at this mass", "H and halogens per C")
_SMOOTHING = 30.0  # pseudo counts of the product of the marginal distributions
_UNSEEN = 0.3  # pseudo count of each cell and of each rare part that no structure has
_MONOVALENT = BONDS == -1


@dataclass(frozen=True, slots=True, eq=False)
class Plausibility:
    """Natural log probabilities. `rare_parts`: counts of RARE, (r, len(RARE)), sorted."""

    rare_parts: NDArray[np.int16]
    rare: Floats  # (r,)
    organic: Floats  # (mass bins, MAX_NITROGENS + 1, MAX_OXYGENS + 1)
    monovalent: Floats  # (hetero bins, MONOVALENT_BINS)

    def terms(self, counts: Counts) -> Floats:
        """(n, N_TERMS) of formulas (n, E). Their rare parts must be among `rare_parts`."""
        codes = _rare_codes(self.rare_parts)
        order = np.argsort(codes)
        rare = order[
            np.minimum(np.searchsorted(codes[order], _rare_codes(counts[:, OXYGEN + 1 :])), len(codes) - 1)
        ]
        mass, hetero, monovalent = _bins(counts)
        return np.stack(
            [
                self.rare[rare],
                self.organic[mass, counts[:, NITROGEN], counts[:, OXYGEN]],
                self.monovalent[hetero, monovalent],
            ],
            1,
        )

    @classmethod
    def fit(cls, counts: Counts, weight: Floats) -> Plausibility:
        """From known formulas (n, E) with weights (n,). Those beyond the limits of N and O are left out."""
        usable = (
            (counts[:, NITROGEN] <= MAX_NITROGENS)
            & (counts[:, OXYGEN] <= MAX_OXYGENS)
            & (counts[:, CARBON] > 0)
        )
        counts, weight = counts[usable], weight[usable]
        parts, of_part = np.unique(counts[:, OXYGEN + 1 :], axis=0, return_inverse=True)
        rare = np.bincount(of_part.ravel(), weights=weight) + _UNSEEN
        mass, hetero, monovalent = _bins(counts)
        organic = np.zeros((len(MASS_BOUNDS) + 1, MAX_NITROGENS + 1, MAX_OXYGENS + 1))
        np.add.at(organic, (mass, counts[:, NITROGEN], counts[:, OXYGEN]), weight)
        ratios = np.zeros((len(HETERO_BOUNDS) + 1, MONOVALENT_BINS))
        np.add.at(ratios, (hetero, monovalent), weight)
        return cls(
            parts.astype(np.int16),
            np.log(rare / rare.sum()),
            np.stack([_smoothed(table) for table in organic]),
            np.log((ratios + _UNSEEN) / (ratios + _UNSEEN).sum(1, keepdims=True)),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "terms": list(_NAMES),
            "rare_elements": list(RARE),
            "rare_parts": [
                [*part, round(float(value), 2)]
                for part, value in zip(self.rare_parts.tolist(), self.rare, strict=True)
            ],
            "organic": np.round(self.organic, 2).tolist(),
            "monovalent": np.round(self.monovalent, 2).tolist(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plausibility:
        if tuple(stored["rare_elements"]) != RARE:
            raise ValueError(
                f"The rare elements are {stored['rare_elements']}, but this code expects {list(RARE)}."
            )
        rows = stored["rare_parts"]
        return cls(
            np.array([row[:-1] for row in rows], np.int16),
            np.array([row[-1] for row in rows], float),
            np.array(stored["organic"], float),
            np.array(stored["monovalent"], float),
        )


def _bins(counts: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the mass, of (N + O) / C and of (H + halogens) / C; (n,) each."""
    carbon = np.maximum(counts[:, CARBON], 1)
    hetero = (counts[:, NITROGEN] + counts[:, OXYGEN]) / carbon
    monovalent = (counts[:, _MONOVALENT].sum(1) / carbon / MONOVALENT_STEP).astype(np.int64)
    return (
        np.searchsorted(MASS_BOUNDS, counts @ MASSES, "right"),
        np.searchsorted(HETERO_BOUNDS, hetero, "right"),
        np.minimum(monovalent, MONOVALENT_BINS - 1),
    )


def _smoothed(table: Floats) -> Floats:
    """Log probabilities of a table of counts, mixed with the product of its marginal distributions."""
    table = table + _UNSEEN / table.size
    independent = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum() ** 2
    smoothed: Floats = np.log((table + _SMOOTHING * independent) / (table.sum() + _SMOOTHING))
    return smoothed


def _rare_codes(rare: NDArray[np.integer]) -> NDArray[np.int64]:
    """One integer for each row of rare counts."""
    steps = 64 ** np.arange(len(ELEMENTS) - OXYGEN - 1, dtype=np.int64)
    codes: NDArray[np.int64] = rare.astype(np.int64) @ steps
    return codes
