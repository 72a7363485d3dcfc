"""Penalty for a partial SMILES whose mass cannot agree with the precursor of its spectrum.

Axes: B spectra, W strings each, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.generation.token_chemistry import END, HYDROGEN_DA, TokenTable


@dataclass(frozen=True, slots=True, eq=False)
class MassBudget:
    """The mass of each spectrum's molecule, and how strongly a string with another mass is penalised."""

    neutral_mass: Tensor  # (B,) float64, Da
    tolerance_da: Tensor  # (B,) float64
    strength: float  # nats for each factor e by which the error exceeds the tolerance

    def rows(self, rows: Tensor) -> MassBudget:
        return MassBudget(self.neutral_mass[rows], self.tolerance_da[rows], self.strength)


class MassState:
    """Mass and possible number of hydrogens of B x W strings.

    The hydrogens of a complete string follow from its bonds, except for atoms with several valences (S, P,
    aromatic n), for which a range is kept. A complete string is therefore checked almost exactly, a partial
    one only by its heavy atoms.
    """

    def __init__(self, table: TokenTable, budget: MassBudget, width: int) -> None:
        self.table, self.budget = table, budget
        n, device = len(budget.neutral_mass), table.kind.device
        self.target, self.tolerance = budget.neutral_mass[:, None], budget.tolerance_da[:, None]
        self.heavy = torch.zeros((n, width), dtype=torch.float64, device=device)
        # Smallest and largest number of hydrogens
        self.low = torch.zeros((n, width), dtype=torch.int64, device=device)
        self.high = self.low.clone()
        self.is_end = table.kind == END

    def penalty(self) -> Tensor:
        """Penalty in nats of each string after each next token, (B, W, V); 0 within the tolerance."""
        excess = self.heavy[:, :, None] + self.table.mass - self.target[:, :, None]
        missing = self.target - self.heavy
        hydrogens = (missing / HYDROGEN_DA).round()
        hydrogens = hydrogens.maximum(self.low.clamp(min=0)).minimum(self.high.clamp(min=0))
        end_error = (missing - hydrogens * HYDROGEN_DA).abs()
        error = torch.where(self.is_end, end_error[:, :, None], excess)
        tolerance = self.tolerance[:, :, None]
        return self.budget.strength * ((error - tolerance).clamp(min=0) / tolerance).log1p()

    def follow(self, parents: Tensor, chosen: Tensor, spent: Tensor) -> None:
        """Make string w the string parents[b, w] plus token chosen[b, w], whose bonds use `spent` valences.

        All (B, W).
        """
        self.heavy = self.heavy.gather(1, parents) + self.table.mass[chosen]
        self.low = self.low.gather(1, parents) + self.table.low[chosen] - spent
        self.high = self.high.gather(1, parents) + self.table.high[chosen] - spent

    def select(self, rows: Tensor) -> None:
        for name in ("target", "tolerance", "heavy", "low", "high"):
            setattr(self, name, getattr(self, name)[rows])
