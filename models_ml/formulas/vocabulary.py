"""How much more often a fragment or a loss belongs to the true formula than to a wrong one.

Frequent fragments and losses have separate log odds. The others share those of their kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import (
    ELEMENTS,
    FIELD_MASKS,
    Bits,
    Floats,
    counts_row,
    hill,
    is_odd_electron,
    pack,
    unpack,
)
from models_ml.molecules.formula import parse_formula

_MAX_KINDS_OF_HETERO = 4
N_KINDS = 2 * 2 * (_MAX_KINDS_OF_HETERO + 1)


@dataclass(frozen=True, slots=True, eq=False)
class LogOdds:
    """Natural logarithms. `bits` is sorted. `unexplained`: of a peak that a formula does not explain."""

    bits: Bits
    values: Floats
    by_kind: Floats  # (N_KINDS,)
    unexplained: float

    @classmethod
    def empty(cls) -> LogOdds:
        return cls(np.zeros(0, np.uint64), np.zeros(0), np.zeros(N_KINDS), 0.0)

    def log_odds(self, bits: Bits) -> Floats:
        """Of any shape."""
        if not len(self.bits):
            return np.zeros(bits.shape)
        place = np.minimum(np.searchsorted(self.bits, bits), len(self.bits) - 1)
        found: Floats = np.where(self.bits[place] == bits, self.values[place], self.by_kind[kind_of(bits)])
        return found

    def to_json(self) -> dict[str, Any]:
        order = np.argsort(-self.values, kind="stable")
        names = [hill(row) for row in unpack(self.bits[order])]
        return {
            "formulas": {
                name: round(float(value), 2) for name, value in zip(names, self.values[order], strict=True)
            },
            "by_kind": [round(float(value), 3) for value in self.by_kind],
            "unexplained": round(self.unexplained, 3),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LogOdds:
        rows = [counts_row(parse_formula(name) if name else {}) for name in stored["formulas"]]
        counts = np.array([row for row in rows if row is not None], np.int64).reshape(-1, len(ELEMENTS))
        bits = pack(counts)
        order = np.argsort(bits)
        values = np.array(list(stored["formulas"].values()), float)
        return cls(bits[order], values[order], np.array(stored["by_kind"]), float(stored["unexplained"]))


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    fragments: LogOdds
    losses: LogOdds

    @classmethod
    def empty(cls) -> Vocabulary:
        return cls(LogOdds.empty(), LogOdds.empty())


def kind_of(bits: Bits) -> NDArray[np.int64]:
    """0 to N_KINDS - 1, by parity of the electrons, absence of C, and number of elements beside C and H."""
    n_hetero = np.zeros(bits.shape, np.int64)
    for mask in FIELD_MASKS[2:]:
        n_hetero += (bits & mask) != 0
    no_carbon = ((bits & FIELD_MASKS[0]) == 0).astype(np.int64)
    odd = is_odd_electron(bits).astype(np.int64)
    kind: NDArray[np.int64] = (odd * 2 + no_carbon) * (_MAX_KINDS_OF_HETERO + 1) + np.minimum(
        n_hetero, _MAX_KINDS_OF_HETERO
    )
    return kind
