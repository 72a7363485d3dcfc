"""What is open in a SMILES under way, and which tokens leave it one that can still be closed.

No valence is checked and no molecule is forced to be valid: invalid strings are the unlikely ones, and
steering away from them distorts what the model has to say. Only what could be no SMILES any more is refused.

Axes: B spectra, W strings each, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models_ml.inference.token_chemistry import ATOM, BOND, CLOSE, END, OPEN, RING, TokenTable

# Places in a string, by what was written last
AT_START, AFTER_ATOM, AFTER_OPEN, AFTER_BOND, AFTER_OPEN_AND_BOND = range(5)
# Which kinds may follow at which place. After a ring number or ")" stands what may stand after an atom.
MAY_FOLLOW = {
    AT_START: (ATOM,),
    AFTER_ATOM: (ATOM, BOND, OPEN, CLOSE, RING, END),
    AFTER_OPEN: (ATOM, BOND),
    AFTER_BOND: (ATOM, RING),
    AFTER_OPEN_AND_BOND: (ATOM,),
}
MIN_RING_STEP = 2  # a ring closes at the earliest at the second atom after the one that opened it


class SyntaxState:
    """What is open in each of B x W strings. A token is allowed if they can still be closed after it."""

    def __init__(self, table: TokenTable, n: int, width: int) -> None:
        device = table.kind.device
        self.table = table
        self.may_follow = torch.zeros((len(MAY_FOLLOW), END + 1), dtype=torch.bool, device=device)
        for place, kinds in MAY_FOLLOW.items():
            self.may_follow[place, list(kinds)] = True
        self.place = torch.full((n, width), AT_START, device=device)
        self.depth = torch.zeros((n, width), dtype=torch.int64, device=device)
        self.n_atoms = torch.zeros_like(self.depth)
        # Number of the atom that opened each ring, 0: not open
        self.opened_at = torch.zeros((n, width, table.n_rings), dtype=torch.int64, device=device)
        self.is_atom, self.is_bond, self.is_open, self.is_close, self.is_ring, self.is_end = (
            table.kind == kind for kind in (ATOM, BOND, OPEN, CLOSE, RING, END)
        )

    def allowed(self, n_left: int) -> Tensor:
        """Which tokens may come next, bool (B, W, V). `n_left`: tokens that the string may still have."""
        table = self.table
        opened_at = self.opened_at[:, :, table.ring]
        opens_ring = self.is_ring & (opened_at == 0)
        closes_ring = self.is_ring & (opened_at > 0)
        ring_is_long_enough = self.n_atoms[:, :, None] - opened_at >= MIN_RING_STEP
        is_open = self.opened_at > 0
        n_open = is_open.sum(2)
        closed = (self.depth == 0) & (n_open == 0)
        allowed = (
            self.may_follow[self.place][:, :, table.kind]
            & (~closes_ring | ring_is_long_enough)
            & (~self.is_close | (self.depth > 0)[:, :, None])
            & (~self.is_end | closed[:, :, None])
        )
        # Tokens needed after this one: an atom where one must follow, or as many as the youngest open
        # ring wants; one token for each thing to close; EOS.
        youngest = torch.where(is_open, self.opened_at, 0).amax(2)
        gap = torch.where(n_open > 0, MIN_RING_STEP - (self.n_atoms - youngest), 0).clamp(min=0)
        atoms = (gap[:, :, None] - self.is_atom.long()).clamp(min=0)
        atoms = torch.where(opens_ring, MIN_RING_STEP, atoms).maximum((self.is_open | self.is_bond).long())
        to_close = (self.depth + n_open)[:, :, None] + (self.is_open.long() - self.is_close.long())
        to_close = to_close + (opens_ring.long() - closes_ring.long())
        needed = torch.where(self.is_end, 0, atoms + to_close + 1)
        return allowed & (needed < n_left)

    def follow(self, parents: Tensor, chosen: Tensor) -> None:
        """String w continues string parents[b, w] by token chosen[b, w]; both (B, W)."""
        table = self.table
        place, kind = self.place.gather(1, parents), table.kind[chosen]
        self.depth = self.depth.gather(1, parents) + (kind == OPEN).long() - (kind == CLOSE).long()
        self.n_atoms = self.n_atoms.gather(1, parents) + (kind == ATOM)
        self.opened_at = self.opened_at.gather(1, parents[:, :, None].expand(-1, -1, table.n_rings))
        ring = table.ring[chosen][:, :, None]
        known = self.opened_at.gather(2, ring)
        toggled = torch.where(known > 0, 0, self.n_atoms[:, :, None])
        self.opened_at.scatter_(2, ring, torch.where((kind == RING)[:, :, None], toggled, known))
        after_bond = torch.where(place == AFTER_OPEN, AFTER_OPEN_AND_BOND, AFTER_BOND)
        self.place = torch.where(kind == OPEN, AFTER_OPEN, torch.where(kind == BOND, after_bond, AFTER_ATOM))

    def select(self, rows: Tensor) -> None:
        self.place, self.depth, self.n_atoms = self.place[rows], self.depth[rows], self.n_atoms[rows]
        self.opened_at = self.opened_at[rows]
