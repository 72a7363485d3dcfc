"""Syntax and mass constraints of generation, checked with known molecules."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("torch", reason="constraints need torch, which is not installed here")

import torch

from models_ml.generation.mass_budget import MassBudget, MassState
from models_ml.generation.smiles_states import REFUSED, SmilesAutomaton, StringStates
from models_ml.generation.smiles_syntax import AFTER_ATOM, SmilesState
from models_ml.generation.token_chemistry import NEVER, TokenTable, token_table
from models_ml.molecules.standardise import standardise
from models_ml.tokenizer import EOS, SmilesTokenizer
from tests.tiny_checkpoint import MOLECULES

TOKENIZER = SmilesTokenizer.from_corpus(
    [*MOLECULES, "C#N", "C[N+](=O)[O-]", "C%10CCCCC%10", "FS(Cl)(Br)P"], min_count=1
)
MORE = ("C[N+](=O)[O-]", "CC#N", "c1ccc2c(c1)[nH]c1ccccc12", "C1CC2CCC1C2", "CC(C)(C)C(=O)O", "O=C1CCCC1")


@pytest.fixture
def table() -> TokenTable:
    return token_table(TOKENIZER.tokens, "cpu")


def numbers(smiles: str) -> list[int]:
    """Tokens and EOS, without BOS."""
    return list(TOKENIZER.encode(smiles, max_tokens=200)[1:])


def follow(states: StringStates, token: int) -> torch.Tensor:
    return states.follow(torch.zeros((1, 1), dtype=torch.int64), torch.tensor([[token]]))


@pytest.mark.parametrize("smiles", [*MOLECULES, *MORE])
def test_a_molecule_is_allowed_within_its_own_number_of_tokens(table: TokenTable, smiles: str) -> None:
    states, tokens = StringStates(SmilesAutomaton(table), 1, 1), numbers(smiles)
    for position, token in enumerate(tokens):
        assert not states.refused(len(tokens) - position)[0, 0, token], smiles[:position]
        follow(states, token)


@pytest.mark.parametrize(
    ("prefix", "refused"),
    [("", "("), ("", "1"), ("", "="), ("C", ")"), ("C(", ")"), ("C(", "1"), ("C=", "="), ("C=", "("),
     ("C1", "1"), ("C1C", "1"), ("C(C", "EOS"), ("C1CC", "EOS"), ("C(=", "1")],
)  # fmt: skip
def test_tokens_that_cannot_become_smiles_are_refused(table: TokenTable, prefix: str, refused: str) -> None:
    states = StringStates(SmilesAutomaton(table), 1, 1)
    for token in numbers(prefix)[:-1]:
        follow(states, token)
    token = EOS if refused == "EOS" else TOKENIZER.tokens.index(refused)
    assert states.refused(100)[0, 0, token]


@pytest.mark.parametrize("seed", range(20))
def test_every_allowed_prefix_can_be_completed_in_the_tokens_left(table: TokenTable, seed: int) -> None:
    rng = random.Random(seed)
    states, text = StringStates(SmilesAutomaton(table), 1, 1), ""
    for n_left in range(40, 0, -1):
        allowed = (~states.refused(n_left)[0, 0]).nonzero().flatten().tolist()
        # Choose EOS only if nothing else is allowed, so that the limit is reached.
        token = rng.choice([token for token in allowed if token != EOS] or allowed)
        if token == EOS:
            break
        text += TOKENIZER.tokens[token]
        follow(states, token)
    assert token == EOS, text
    assert text.count("(") == text.count(")")


def test_strings_follow_their_parents_and_share_computed_states(table: TokenTable) -> None:
    automaton = SmilesAutomaton(table)
    states = StringStates(automaton, 1, 2)
    carbon, opened = TOKENIZER.tokens.index("C"), TOKENIZER.tokens.index("(")
    states.follow(torch.tensor([[0, 0]]), torch.tensor([[carbon, carbon]]))
    states.follow(torch.tensor([[0, 0]]), torch.tensor([[carbon, opened]]))
    states.follow(torch.tensor([[1, 0]]), torch.tensor([[carbon, carbon]]))
    reached = [automaton.states[number] for number in states.numbers[0].tolist()]
    assert reached == [SmilesState(AFTER_ATOM, branches=(False,)), SmilesState(AFTER_ATOM)]
    n_states = len(automaton.states)
    others = StringStates(automaton, 3, 1)
    others.follow(torch.zeros((3, 1), dtype=torch.int64), torch.full((3, 1), carbon))
    assert len(automaton.states) == n_states


def test_tables_grow_with_deeply_nested_strings(table: TokenTable) -> None:
    automaton = SmilesAutomaton(table)
    states = StringStates(automaton, 1, 1)
    room = len(automaton.needed)
    carbon, opened, closed = (TOKENIZER.tokens.index(token) for token in "C()")
    for token in [carbon, *[opened, carbon] * room, *[closed] * room]:
        follow(states, token)
    assert len(automaton.needed) > room
    assert automaton.states[int(states.numbers)] == SmilesState(AFTER_ATOM)
    assert not states.refused(1)[0, 0, EOS]


@pytest.mark.parametrize("smiles", [*MOLECULES, *MORE])
def test_a_complete_molecule_of_the_precursor_mass_has_no_penalty(table: TokenTable, smiles: str) -> None:
    assert end_penalty(table, smiles, standardise(smiles).exact_mass) == 0.0


@pytest.mark.parametrize("shift", [-2.0157, 0.984, 15.995])
def test_a_complete_molecule_of_another_mass_has_a_penalty(table: TokenTable, shift: float) -> None:
    assert end_penalty(table, "CC(=O)Nc1ccc(O)cc1", 151.0633 + shift) > 0.5


def end_penalty(table: TokenTable, smiles: str, mass: float) -> float:
    """Penalty in nats of EOS after `smiles` if the precursor's neutral mass is `mass`."""
    budget = MassBudget(torch.tensor([mass], dtype=torch.float64), torch.tensor([0.002]).double(), 0.1)
    states, mass_state = StringStates(SmilesAutomaton(table), 1, 1), MassState(table, budget, 1)
    first = torch.zeros((1, 1), dtype=torch.int64)
    for token in numbers(smiles)[:-1]:
        mass_state.follow(first, torch.tensor([[token]]), follow(states, token))
    return float(mass_state.penalty()[0, 0, EOS])


def test_unused_tokens_are_never_allowed(table: TokenTable) -> None:
    automaton = SmilesAutomaton(table)
    unused = [number for number, token in enumerate(table.tokens) if token.kind == NEVER]
    assert unused
    assert (automaton.needed[:1, automaton.class_of[unused]] == REFUSED).all()
