"""What is open in a SMILES under way, what a token makes of it, and whether it can still be closed after it.

No valence is checked and no molecule is forced to be valid: invalid strings are the unlikely ones, and
steering away from them distorts what the model has to say. Only what could be no SMILES any more is refused.
"""

from __future__ import annotations

from typing import NamedTuple

from models_ml.generation.token_chemistry import ATOM, BOND, CLOSE, END, OPEN, RING, TokenChemistry

# Places in a string, by what was written last
AT_START, AFTER_ATOM, AFTER_OPEN, AFTER_BOND, AFTER_OPEN_AND_BOND = range(5)
# Which kinds may follow at which place. After a ring number or ")" stands what may stand after an atom.
MAY_FOLLOW = {
    AT_START: {ATOM},
    AFTER_ATOM: {ATOM, BOND, OPEN, CLOSE, RING, END},
    AFTER_OPEN: {ATOM, BOND},
    AFTER_BOND: {ATOM, RING},
    AFTER_OPEN_AND_BOND: {ATOM},
}
MIN_RING_STEP = 2  # a ring closes at the earliest at the second atom after the one that opened it


class OpenRing(NamedTuple):
    number: int
    age: int  # atoms since the one that opened it; MIN_RING_STEP stands for any more
    order: int  # of the bond, as it stands at this end
    aromatic: bool  # is the atom that opened it?


class SmilesState(NamedTuple):
    """All that the tokens written so far say about those that may follow and what these bind."""

    place: int = AT_START
    aromatic: bool = False  # is the present atom?
    branches: tuple[bool, ...] = ()  # the same of the atoms that open branches go out from, outermost first
    order: int = 1  # of the bond that comes next
    rings: tuple[OpenRing, ...] = ()  # by number


def after(state: SmilesState, token: TokenChemistry) -> SmilesState:
    """Any token in any state: what must not follow is for `tokens_needed` to say."""
    place, aromatic, branches, _, rings = state
    kind = token.kind
    if kind == ATOM:
        aged = tuple(ring._replace(age=min(ring.age + 1, MIN_RING_STEP)) for ring in rings)
        return SmilesState(AFTER_ATOM, token.aromatic, branches, 1, aged)
    if kind == BOND:
        after_bond = AFTER_OPEN_AND_BOND if place == AFTER_OPEN else AFTER_BOND
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
    """How many tokens must at least follow on `token` to close what is open; None if it must not stand here.

    They are an atom where one must come, or as many as the youngest open ring wants; one token for each
    thing to close; EOS.
    """
    kind, rings = token.kind, state.rings
    depth, n_open = len(state.branches), len(rings)
    closed = next((ring for ring in rings if ring.number == token.ring), None) if kind == RING else None
    if kind not in MAY_FOLLOW[state.place]:
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
    """Valence that `token` takes of the atoms on both sides of the bond that it makes."""
    if token.kind == ATOM and state.place != AT_START:
        return _valence(state.order, state.aromatic) + _valence(state.order, token.aromatic)
    if token.kind == RING:
        for ring in state.rings:
            if ring.number == token.ring:
                # A ring bond's order may stand at either end.
                order = max(ring.order, state.order)
                return _valence(order, ring.aromatic) + _valence(order, state.aromatic)
    return 0


def _valence(order: int, aromatic: bool) -> int:
    """What a bond takes of an atom's valence: a double bond out of a ring takes what went round it, too."""
    return 1 if aromatic and order == 2 else order
