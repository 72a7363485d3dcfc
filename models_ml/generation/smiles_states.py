"""States of many partial SMILES as row numbers of tables. The tables grow with each new state.

A search meets the same few hundred states again and again. Each is computed once, in plain Python
(`models_ml.generation.smiles_syntax`), and then looked up.

Axes here: B spectra, W strings each, V vocabulary, C classes (of tokens with the same effect).
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
MAX_STATES = 2**16  # tables of 6 MB; a search that finds more starts new tables


class SmilesAutomaton:
    """Numbered states, and for each state and class of token: tokens needed, valences used, next state.

    Thread-safe. States are added when a search first reaches them.
    """

    def __init__(self, table: TokenTable) -> None:
        # Mass and hydrogens do not change the state.
        classes = [replace(token, mass=0.0, low=0, high=0) for token in table.tokens]
        self.classes = list(dict.fromkeys(classes))
        device = table.kind.device
        self.class_of = torch.tensor([self.classes.index(token) for token in classes], device=device)
        self.states: list[SmilesState] = []
        self._number: dict[SmilesState, int] = {}
        self._lock = Lock()
        shape = (0, len(self.classes))
        self.needed = torch.zeros(shape, dtype=torch.int16, device=device)  # REFUSED: not allowed here
        self.spent = torch.zeros(shape, dtype=torch.int64, device=device)
        self.next = torch.zeros(shape, dtype=torch.int64, device=device)  # UNKNOWN: not computed yet
        self._add([SmilesState()])  # gets number 0

    def after(self, states: Tensor, classes: Tensor) -> Tensor:
        """State numbers and token classes of the same shape to the numbers of the next states."""
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
            padding = (0, 0, 0, max(2 * len(self.states), 256) - len(self.needed))
            self.needed = functional.pad(self.needed, padding)
            self.spent = functional.pad(self.spent, padding)
            self.next = functional.pad(self.next, padding, value=UNKNOWN)
        rows = slice(first, len(self.states))
        self.needed[rows] = self.needed.new_tensor([[_needed(s, c) for c in self.classes] for s in states])
        self.spent[rows] = self.spent.new_tensor([[bonds_spent(s, c) for c in self.classes] for s in states])
        # Last: another thread must not find a state before it is in the tables.
        self._number.update((state, first + index) for index, state in enumerate(states))


class StringStates:
    """The states of B x W strings."""

    def __init__(self, automaton: SmilesAutomaton, n: int, width: int) -> None:
        self.automaton = automaton
        self.numbers = torch.zeros((n, width), dtype=torch.int64, device=automaton.class_of.device)

    def refused(self, n_left: int) -> Tensor:
        """Tokens that must not come next, bool (B, W, V). `n_left`: tokens that a string may still get."""
        needed = self.automaton.needed[self.numbers] >= n_left
        return needed.index_select(2, self.automaton.class_of)

    def follow(self, parents: Tensor, chosen: Tensor) -> Tensor:
        """Make string w string parents[b, w] plus token chosen[b, w]. Returns valences used. All (B, W)."""
        before, classes = self.numbers.gather(1, parents), self.automaton.class_of[chosen]
        self.numbers = self.automaton.after(before, classes)
        return self.automaton.spent[before, classes]

    def select(self, rows: Tensor) -> None:
        self.numbers = self.numbers[rows]


def smiles_automaton(table: TokenTable) -> SmilesAutomaton:
    """The automaton of a vocabulary on its device. A running search keeps the one that it started with."""
    automaton = _automaton(table)
    if len(automaton.states) > MAX_STATES:
        _automaton.cache_clear()
        automaton = _automaton(table)
    return automaton


@lru_cache(maxsize=8)
def _automaton(table: TokenTable) -> SmilesAutomaton:
    return SmilesAutomaton(table)


def _needed(state: SmilesState, token: TokenChemistry) -> int:
    needed = tokens_needed(state, token)
    return REFUSED if needed is None else needed
