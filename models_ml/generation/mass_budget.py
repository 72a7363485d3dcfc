"""How well the mass of a SMILES under way agrees with its spectrum's precursor, in nats held against it.

Axes: B spectra, W strings each, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.generation.token_chemistry import END, HYDROGEN_DA, TokenTable


@dataclass(frozen=True, slots=True, eq=False)
class MassBudget:
    """What each spectrum's molecule weighs, and how much a string's place suffers that cannot weigh it."""

    neutral_mass: Tensor  # (B,) float64, Da
    tolerance_da: Tensor  # (B,) float64
    strength: float  # nats for each e-fold of error over tolerance

    def rows(self, rows: Tensor) -> MassBudget:
        return MassBudget(self.neutral_mass[rows], self.tolerance_da[rows], self.strength)


class MassState:
    """Mass and possible hydrogens of B x W strings.

    An ended string's hydrogens follow from its bonds, but for atoms of several valences (S, P, aromatic n):
    there a range is kept. So an ended string is checked almost exactly, one under way by its heavy atoms.
    """

    def __init__(self, table: TokenTable, budget: MassBudget, width: int) -> None:
        self.table, self.budget = table, budget
        n, device = len(budget.neutral_mass), table.kind.device
        self.target, self.tolerance = budget.neutral_mass[:, None], budget.tolerance_da[:, None]
        self.heavy = torch.zeros((n, width), dtype=torch.float64, device=device)
        whole = torch.zeros((n, width), dtype=torch.int64, device=device)
        self.low, self.high = whole, whole.clone()  # hydrogens, fewest and most
        self.is_end = table.kind == END

    def penalty(self) -> Tensor:
        """Nats that a string has against it after each next token, (B, W, V); 0 within the tolerance."""
        over = self.heavy[:, :, None] + self.table.mass - self.target[:, :, None]
        missing = self.target - self.heavy
        hydrogens = (missing / HYDROGEN_DA).round()
        hydrogens = hydrogens.maximum(self.low.clamp(min=0)).minimum(self.high.clamp(min=0))
        wrong = (missing - hydrogens * HYDROGEN_DA).abs()
        error = torch.where(self.is_end, wrong[:, :, None], over)
        tolerance = self.tolerance[:, :, None]
        return self.budget.strength * ((error - tolerance).clamp(min=0) / tolerance).log1p()

    def follow(self, parents: Tensor, chosen: Tensor, spent: Tensor) -> None:
        """String w continues string parents[b, w] by chosen[b, w], whose bonds take `spent`; all (B, W)."""
        self.heavy = self.heavy.gather(1, parents) + self.table.mass[chosen]
        self.low = self.low.gather(1, parents) + self.table.low[chosen] - spent
        self.high = self.high.gather(1, parents) + self.table.high[chosen] - spent

    def select(self, rows: Tensor) -> None:
        for name in ("target", "tolerance", "heavy", "low", "high"):
            setattr(self, name, getattr(self, name)[rows])
