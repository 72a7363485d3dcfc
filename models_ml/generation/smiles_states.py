"""The states of many SMILES under way at once, as numbers into tables that grow with every state met.

A search asks for the same few hundred states over and over: each is reasoned about once, in plain Python
(`models_ml.generation.smiles_syntax`), and looked up from then on.

Axes: B spectra, W strings each, V vocabulary, C classes: tokens that do the same.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from threading import Lock

import torch
from torch import Tensor
from torch.nn import functional

from models_ml.generation.smiles_syntax import SmilesState, after, bonds_spent, tokens_needed
from models_ml.generation.token_chemistry import TokenChemistry, TokenTable

UNKNOWN = -1
REFUSED = 2**14  # more tokens than any string may have
MOST_STATES = 2**16  # tables of 6 MB; a search that finds them fuller begins new ones


class SmilesAutomaton:
    """Numbers for states, and for every class of token what it needs, spends and leads to. Grows as asked."""

    def __init__(self, table: TokenTable) -> None:
        # Mass and hydrogens do not change the state.
        classes = [replace(token, mass=0.0, low=0, high=0) for token in table.tokens]
        self.classes = list(dict.fromkeys(classes))
        device = table.kind.device
        self.class_of = torch.tensor([self.classes.index(one) for one in classes], device=device)
        self.states: list[SmilesState] = []
        self._number: dict[SmilesState, int] = {}
        self._lock = Lock()
        shape = (0, len(self.classes))
        self.needed = torch.zeros(shape, dtype=torch.int16, device=device)  # REFUSED: must not stand here
        self.spent = torch.zeros(shape, dtype=torch.int64, device=device)
        self.next = torch.zeros(shape, dtype=torch.int64, device=device)  # UNKNOWN: not asked for yet
        self._add([SmilesState()])  # gets number 0

    def after(self, states: Tensor, classes: Tensor) -> Tensor:
        """Numbers of states and classes of tokens, of one shape, to numbers of the states that follow."""
        found = self.next[states, classes]
        if (found == UNKNOWN).any():
            self._learn(states[found == UNKNOWN], classes[found == UNKNOWN])
            found = self.next[states, classes]
        return found

    def _learn(self, states: Tensor, classes: Tensor) -> None:
        with self._lock:
            pairs = dict.fromkeys(zip(states.tolist(), classes.tolist(), strict=True))
            follow = [after(self.states[state], self.classes[token]) for state, token in pairs]
            self._add([state for state in dict.fromkeys(follow) if state not in self._number])
            rows, columns = torch.tensor(list(pairs), device=states.device).T
            self.next[rows, columns] = self.next.new_tensor([self._number[state] for state in follow])

    def _add(self, states: list[SmilesState]) -> None:
        if not states:
            return
        first = len(self.states)
        self.states += states
        if len(self.states) > len(self.needed):
            more = (0, 0, 0, max(2 * len(self.states), 256) - len(self.needed))
            self.needed, self.spent = functional.pad(self.needed, more), functional.pad(self.spent, more)
            self.next = functional.pad(self.next, more, value=UNKNOWN)
        rows = slice(first, len(self.states))
        self.needed[rows] = self.needed.new_tensor([[_needed(s, c) for c in self.classes] for s in states])
        self.spent[rows] = self.spent.new_tensor([[bonds_spent(s, c) for c in self.classes] for s in states])
        # Last: another thread must not meet a state before it is in the tables.
        self._number.update((state, first + place) for place, state in enumerate(states))


class StringStates:
    """The states of B x W strings."""

    def __init__(self, automaton: SmilesAutomaton, n: int, width: int) -> None:
        self.automaton = automaton
        self.numbers = torch.zeros((n, width), dtype=torch.int64, device=automaton.class_of.device)

    def refused(self, n_left: int) -> Tensor:
        """Which tokens must not come next, bool (B, W, V). `n_left`: tokens that a string may still have."""
        needed = self.automaton.needed[self.numbers] >= n_left
        return needed.index_select(2, self.automaton.class_of)

    def follow(self, parents: Tensor, chosen: Tensor) -> Tensor:
        """String w continues string parents[b, w] by token chosen[b, w]; both (B, W). To the bonds spent."""
        before, classes = self.numbers.gather(1, parents), self.automaton.class_of[chosen]
        self.numbers = self.automaton.after(before, classes)
        return self.automaton.spent[before, classes]

    def select(self, rows: Tensor) -> None:
        self.numbers = self.numbers[rows]


def smiles_automaton(table: TokenTable) -> SmilesAutomaton:
    """The one for this vocabulary and device. Strings under way keep the one that they began with."""
    automaton = _automaton(table)
    if len(automaton.states) > MOST_STATES:
        _automaton.cache_clear()
        automaton = _automaton(table)
    return automaton


@lru_cache(maxsize=8)
def _automaton(table: TokenTable) -> SmilesAutomaton:
    return SmilesAutomaton(table)


def _needed(state: SmilesState, token: TokenChemistry) -> int:
    needed = tokens_needed(state, token)
    return REFUSED if needed is None else needed
