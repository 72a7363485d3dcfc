"""Beam search with a decoder, for many spectra at once. Deterministic. Constraints add the chemistry.

Axes here: B spectra, W strings each, V vocabulary.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.generation.beam_decoder import BeamDecoder
from models_ml.generation.mass_budget import MassBudget, MassState
from models_ml.generation.smiles_states import StringStates, smiles_automaton
from models_ml.generation.token_chemistry import TokenTable
from models_ml.networks.context import Memory
from models_ml.networks.molecule import MoleculeDecoder
from models_ml.tokenizer import BOS, EOS, MASK, PAD, UNK


class GenerationTooSlow(Exception):
    """The deadline passed before all beams ended. A retry on an idle machine may succeed."""


@dataclass(frozen=True, slots=True)
class Beam:
    tokens: tuple[int, ...]  # without BOS; ends with EOS unless the length limit truncated it
    log_likelihood: float  # of the model, summed over tokens, natural log; constraints do not change it


@dataclass(frozen=True, slots=True, eq=False)
class BeamConstraints:
    """What the search considers besides likelihood. `mass` has one entry for each memory."""

    table: TokenTable
    syntax: bool = True
    mass: MassBudget | None = None


def beam_search(
    decoder: MoleculeDecoder,
    memory: Memory,
    *,
    beam_size: int,
    max_tokens: int,
    deadline_s: float | None = None,
    constraints: BeamConstraints | None = None,
) -> list[list[Beam]]:
    """The `beam_size` best strings for each memory, best first: by log likelihood minus mass penalty.

    Likelihoods are not normalised by length. A complete string stays until better ones replace it.
    Raises GenerationTooSlow after `deadline_s` seconds.
    """
    started = time.monotonic()
    with torch.inference_mode():
        search = _Search(decoder, memory, beam_size, constraints)
        for step in range(max_tokens):
            search.advance(n_left=max_tokens - step)
            if not search.is_running():
                break
            if search.strings.is_full:
                search.tidy()
            if deadline_s is not None and time.monotonic() - started > deadline_s:
                raise GenerationTooSlow(
                    f"Generation for {len(memory.tokens)} spectra took over {deadline_s:.0f} s. "
                    "Lower the batch size or the number of beams."
                )
        return search.results()


class _Search:
    """The W best strings of each of the B spectra that are still running, best first."""

    def __init__(
        self,
        decoder: MoleculeDecoder,
        memory: Memory,
        width: int,
        constraints: BeamConstraints | None,
    ) -> None:
        n = len(memory.tokens)
        self.device = memory.tokens.device
        # Indices of the running spectra. Memories of similar length are neighbours, as BeamDecoder prefers.
        self.running = memory.lengths().argsort(descending=True, stable=True)
        self.strings = BeamDecoder(decoder, memory.rows(self.running), width)
        self.tokens = torch.full((n, width, 1), BOS, device=self.device)
        # All strings are equal at the start: only the first may be continued in the first step.
        self.likelihood = torch.full((n, width), -torch.inf, device=self.device)
        self.likelihood[:, 0] = 0.0
        self.penalty = torch.zeros((n, width), device=self.device)
        self.ended = torch.zeros((n, width), dtype=torch.bool, device=self.device)
        self.never = torch.tensor([PAD, BOS, MASK, UNK], device=self.device)
        self.chemistry: StringStates | None = None
        self.mass: MassState | None = None
        self.syntax = constraints is not None and constraints.syntax
        if constraints is not None:
            self.chemistry = StringStates(smiles_automaton(constraints.table), n, width)
        if constraints is not None and constraints.mass is not None:
            self.mass = MassState(constraints.table, constraints.mass.rows(self.running), width)
        self.found: dict[int, list[Beam]] = {}

    def advance(self, n_left: int) -> None:
        """Continue every string by one of the `n_left` tokens left; keep the best W of each spectrum."""
        log_p = self._log_p(n_left)
        width, n_tokens = log_p.shape[1:]
        likelihood = (self.likelihood[:, :, None] + log_p).flatten(1)
        penalty = self._penalties()
        _, best = (likelihood if penalty is None else likelihood - penalty).topk(width, dim=1)
        parents, chosen = best // n_tokens, best % n_tokens
        self.likelihood = likelihood.gather(1, best)
        if penalty is not None:
            self.penalty = penalty.gather(1, best)
        self.strings.follow(parents)
        if self.chemistry is not None:
            spent = self.chemistry.follow(parents, chosen)
            if self.mass is not None:
                self.mass.follow(parents, chosen, spent)
        history = self.tokens.gather(1, parents[:, :, None].expand(-1, -1, self.tokens.shape[2]))
        self.tokens = torch.cat([history, chosen[:, :, None]], dim=2)
        self.ended = self.ended.gather(1, parents) | (chosen == EOS)

    def is_running(self) -> bool:
        return bool((~self.ended).any())

    def tidy(self) -> None:
        """Remove spectra whose strings have all ended, and the cache entries of abandoned strings."""
        is_running = (~self.ended).any(1)
        rows = is_running.nonzero().flatten()
        self.strings.tidy(rows)
        if is_running.all():
            return
        self._collect(~is_running)
        for name in ("running", "tokens", "likelihood", "penalty", "ended"):
            setattr(self, name, getattr(self, name)[rows])
        for state in (self.chemistry, self.mass):
            if state is not None:
                state.select(rows)

    def results(self) -> list[list[Beam]]:
        self._collect(torch.ones_like(self.running, dtype=torch.bool))
        return [self.found[index] for index in sorted(self.found)]

    def _log_p(self, n_left: int) -> Tensor:
        """Log probability of each next token, (B, W, V). Minus infinity where a constraint refuses it."""
        n, width = self.likelihood.shape
        # Strings that do not exist yet (all but one in the first step) and ended ones are not computed.
        exists = self.likelihood > -torch.inf
        rows = (exists & ~self.ended).flatten().nonzero().flatten()
        logits = self.strings.step(self.tokens[:, :, -1], rows).float()
        logits[:, self.never] = -torch.inf
        n_tokens = logits.shape[1]
        # An ended string has one continuation, PAD, which costs nothing.
        log_p = logits.new_full((n * width, n_tokens), -torch.inf)
        log_p[:, PAD] = torch.where(self.ended, 0.0, -torch.inf).flatten()
        log_p[rows] = logits.log_softmax(-1)
        log_p = log_p.view(n, width, n_tokens)
        if self.chemistry is not None and self.syntax:
            refused = self.chemistry.refused(n_left)
            log_p.masked_fill_(refused & ~self.ended[:, :, None], -torch.inf)
        return log_p

    def _penalties(self) -> Tensor | None:
        """Penalty of each continuation, (B, W V). An ended string keeps its penalty."""
        if self.mass is None:
            return None
        penalty = torch.where(self.ended[:, :, None], self.penalty[:, :, None], self.mass.penalty().float())
        return penalty.flatten(1)

    def _collect(self, selected: Tensor) -> None:
        for row in selected.nonzero().flatten().tolist():
            pairs = zip(self.tokens[row].tolist(), self.likelihood[row].tolist(), strict=True)
            self.found[int(self.running[row])] = [
                Beam(tuple(token for token in tokens[1:] if token != PAD), likelihood)
                for tokens, likelihood in pairs
                if likelihood > float("-inf")
            ]
