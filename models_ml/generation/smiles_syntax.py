"""The open branches and rings of a partial SMILES, how a token changes them, and how many tokens close them.

It checks no valences and does not force molecules to be valid: invalid strings are unlikely, and excluding
them would distort the model's ranking of strings. It only refuses tokens after which the text cannot become a
SMILES.
"""

from __future__ import annotations

from typing import NamedTuple

from models_ml.generation.token_chemistry import ATOM, BOND, CLOSE, END, OPEN, RING, TokenChemistry

# Positions in a string, by the last token
AT_START, AFTER_ATOM, AFTER_OPEN, AFTER_BOND, AFTER_OPEN_AND_BOND = range(5)
# Kinds of tokens that may follow at each position. After a ring number or ")" the same may follow as after an
# atom.
MAY_FOLLOW = {
    AT_START: {ATOM},
    AFTER_ATOM: {ATOM, BOND, OPEN, CLOSE, RING, END},
    AFTER_OPEN: {ATOM, BOND},
    AFTER_BOND: {ATOM, RING},
    AFTER_OPEN_AND_BOND: {ATOM},
}
MIN_RING_STEP = 2  # a ring can close at the second atom after the one that opened it, not earlier


class OpenRing(NamedTuple):
    number: int
    age: int  # atoms since the one that opened it, at most MIN_RING_STEP
    order: int  # bond order at the opening end
    aromatic: bool  # whether the atom that opened it is aromatic


class SmilesState(NamedTuple):
    """What the tokens so far determine about the next tokens and their bonds."""

    position: int = AT_START
    aromatic: bool = False  # whether the current atom is aromatic
    branches: tuple[bool, ...] = ()  # the same for the atom at which each open branch starts, outermost first
    order: int = 1  # of the next bond
    rings: tuple[OpenRing, ...] = ()  # sorted by number


def after(state: SmilesState, token: TokenChemistry) -> SmilesState:
    """The state after a token. Accepts any token in any state: `tokens_needed` decides which are allowed."""
    position, aromatic, branches, _, rings = state
    kind = token.kind
    if kind == ATOM:
        aged = tuple(ring._replace(age=min(ring.age + 1, MIN_RING_STEP)) for ring in rings)
        return SmilesState(AFTER_ATOM, token.aromatic, branches, 1, aged)
    if kind == BOND:
        after_bond = AFTER_OPEN_AND_BOND if position == AFTER_OPEN else AFTER_BOND
        return SmilesState(after_bond, aromatic, branches, token.order, rings)
    if kind == OPEN:
        return SmilesState(AFTER_OPEN, aromatic, (*branches, aromatic), 1, rings)
    if kind == CLOSE:
        outer = branches[-1] if branches else False
        return SmilesState(AFTER_ATOM, outer, branches[:-1], 1, rings)
    if kind == RING:
        others = tuple(ring for ring in rings if ring.number != token.ring)
        if len(others) == len(rings):
            others = tuple(sorted((*rings, OpenRing(token.ring, 0, state.order, aromatic))))
        return SmilesState(AFTER_ATOM, aromatic, branches, 1, others)
    return state


def tokens_needed(state: SmilesState, token: TokenChemistry) -> int | None:
    """Smallest number of tokens after `token` that complete the SMILES; None if `token` is not allowed here.

    They are: the atoms that a bond, a branch or the youngest open ring requires, one token for each open
    branch and ring, and EOS.
    """
    kind, rings = token.kind, state.rings
    depth, n_open = len(state.branches), len(rings)
    closed = next((ring for ring in rings if ring.number == token.ring), None) if kind == RING else None
    if kind not in MAY_FOLLOW[state.position]:
        return None
    if kind == END:
        return 0 if depth == n_open == 0 else None
    if (kind == CLOSE and depth == 0) or (closed is not None and closed.age < MIN_RING_STEP):
        return None
    opens_ring = kind == RING and closed is None
    gap = MIN_RING_STEP - min((ring.age for ring in rings), default=MIN_RING_STEP)
    atoms = MIN_RING_STEP if opens_ring else max(gap - (kind == ATOM), kind in (OPEN, BOND))
    to_close = depth + n_open + (kind == OPEN) - (kind == CLOSE) + opens_ring - (closed is not None)
    return atoms + to_close + 1


def bonds_spent(state: SmilesState, token: TokenChemistry) -> int:
    """Valences of both atoms together that the bond made by `token` uses."""
    if token.kind == ATOM and state.position != AT_START:
        return _valence(state.order, state.aromatic) + _valence(state.order, token.aromatic)
    if token.kind == RING:
        for ring in state.rings:
            if ring.number == token.ring:
                # A ring bond's order may be written at either end.
                order = max(ring.order, state.order)
                return _valence(order, ring.aromatic) + _valence(order, state.aromatic)
    return 0


def _valence(order: int, aromatic: bool) -> int:
    """Valences of one atom that a bond uses.

    A double bond at an aromatic atom uses one: the other is its ring valence, which AROMATIC_VALENCES leaves
    out.
    """
    return 1 if aromatic and order == 2 else order
