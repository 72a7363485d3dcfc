"""How well the mass of a SMILES under way agrees with its spectrum's precursor, in nats held against it.

Axes: B spectra, W strings each, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.inference.token_chemistry import ATOM, BOND, CLOSE, END, HYDROGEN_DA, OPEN, RING, TokenTable


@dataclass(frozen=True, slots=True, eq=False)
class MassBudget:
    """What each spectrum's molecule weighs, and how much a string's place suffers that cannot weigh it."""

    neutral_mass: Tensor  # (B,) float64, Da
    tolerance_da: Tensor  # (B,) float64
    strength: float  # nats for each e-fold of error over tolerance


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
        self.order = torch.ones_like(whole)  # of the bond that comes next
        self.n_atoms = whole.clone()
        # One bit for each atom that a branch goes out from, the present one lowest: is it aromatic?
        self.aromatic = whole.clone()
        self.ring_order = torch.zeros((n, width, table.n_rings), dtype=torch.int64, device=device)
        self.ring_valence = torch.zeros_like(self.ring_order)
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

    def follow(self, parents: Tensor, chosen: Tensor) -> None:
        """String w continues string parents[b, w] by token chosen[b, w]; both (B, W)."""
        table = self.table
        kind = table.kind[chosen]
        is_atom, is_ring = kind == ATOM, kind == RING
        order, aromatic = self.order.gather(1, parents), self.aromatic.gather(1, parents)
        n_atoms = self.n_atoms.gather(1, parents)
        rings = parents[:, :, None].expand(-1, -1, table.n_rings)
        ring_order, ring_valence = self.ring_order.gather(1, rings), self.ring_valence.gather(1, rings)
        ring = table.ring[chosen][:, :, None]

        present = (aromatic & 1).bool()
        new = table.aromatic[chosen]
        bound = is_atom & (n_atoms > 0)
        spent = torch.where(bound, _valence(order, present) + _valence(order, new), 0)
        # A ring bond's order may stand at either end; its valence is spent when it closes.
        opened = ring_order.gather(2, ring)[:, :, 0]
        closes = is_ring & (opened > 0)
        closing = opened.maximum(order)
        was_aromatic = ring_valence.gather(2, ring)[:, :, 0].bool()
        spent = spent + torch.where(closes, _valence(closing, was_aromatic) + _valence(closing, present), 0)
        self.ring_order = ring_order.scatter(
            2, ring, torch.where(is_ring, torch.where(closes, 0, order), opened)[:, :, None]
        )
        self.ring_valence = ring_valence.scatter(
            2, ring, torch.where(is_ring, present, was_aromatic).long()[:, :, None]
        )
        self.heavy = self.heavy.gather(1, parents) + table.mass[chosen]
        self.low = self.low.gather(1, parents) + table.low[chosen] - spent
        self.high = self.high.gather(1, parents) + table.high[chosen] - spent
        self.n_atoms = n_atoms + is_atom
        self.order = torch.where(kind == BOND, table.order[chosen], 1)
        aromatic = torch.where(is_atom, (aromatic & ~1) | new, aromatic)
        aromatic = torch.where(kind == OPEN, (aromatic << 1) | (aromatic & 1), aromatic)
        self.aromatic = torch.where(kind == CLOSE, aromatic >> 1, aromatic)

    def select(self, rows: Tensor) -> None:
        for name in ("target", "tolerance", "heavy", "low", "high", "order", "n_atoms", "aromatic",
                     "ring_order", "ring_valence"):  # fmt: skip
            setattr(self, name, getattr(self, name)[rows])


def _valence(order: Tensor, aromatic: Tensor) -> Tensor:
    """What a bond takes of an atom's valence: a double bond out of a ring takes what went round it, too."""
    return torch.where(aromatic & (order == 2), 1, order)
