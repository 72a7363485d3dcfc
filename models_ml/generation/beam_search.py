"""Beam search over a decoder, for many spectra at once. Deterministic; chemistry comes in as constraints."""

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
    """The deadline passed before the beams ended. Trying again on a free machine may succeed."""


@dataclass(frozen=True, slots=True)
class Beam:
    tokens: tuple[int, ...]  # without BOS; ends with EOS unless the length bound cut it
    log_likelihood: float  # summed over tokens, natural log, the model's own: no constraint changes it


@dataclass(frozen=True, slots=True, eq=False)
class BeamConstraints:
    """What the search takes into account beside likelihood. `mass` has one entry for each memory."""

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
    """The `beam_size` best strings found for each memory, best first: by likelihood less penalty.

    Likelihoods are not normalised by length. An ended beam keeps its place until better ones push it out.
    Raises GenerationTooSlow `deadline_s` seconds after the start.
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
    """Live beams of the spectra that still run: W for each of B, best first."""

    def __init__(
        self,
        decoder: MoleculeDecoder,
        memory: Memory,
        width: int,
        constraints: BeamConstraints | None,
    ) -> None:
        n = len(memory.tokens)
        self.device = memory.tokens.device
        # Which spectra still run; those whose memories are of like length stand together.
        self.live = memory.lengths().argsort(descending=True, stable=True)
        memory = memory.rows(self.live)
        self.strings = BeamDecoder(decoder, memory, width)
        self.tokens = torch.full((n, width, 1), BOS, device=self.device)
        # All beams begin alike: only the first may be continued in the first step.
        self.likelihood = torch.full((n, width), -torch.inf, device=self.device)
        self.likelihood[:, 0] = 0.0
        self.penalty = torch.zeros((n, width), device=self.device)
        self.ended = torch.zeros((n, width), dtype=torch.bool, device=self.device)
        self.never = torch.tensor([PAD, BOS, MASK, UNK], device=self.device)
        self.chemistry: StringStates | None = None
        self.mass: MassState | None = None
        self.refuses = constraints is not None and constraints.syntax
        if constraints is not None:
            self.chemistry = StringStates(smiles_automaton(constraints.table), n, width)
        if constraints is not None and constraints.mass is not None:
            self.mass = MassState(constraints.table, constraints.mass.rows(self.live), width)
        self.found: dict[int, list[Beam]] = {}

    def advance(self, n_left: int) -> None:
        """Continue every live beam by one of the `n_left` tokens left; keep the best W of each spectrum."""
        n, width = self.likelihood.shape
        # What no string stands for yet, as all but one in the first step, is not computed.
        begun = self.likelihood > -torch.inf
        rows = (begun & ~self.ended).flatten().nonzero().flatten()
        logits = self.strings.step(self.tokens[:, :, -1], rows).float()
        logits[:, self.never] = -torch.inf
        n_tokens = logits.shape[1]
        # An ended beam has one continuation, PAD, which costs nothing.
        log_p = logits.new_full((n * width, n_tokens), -torch.inf)
        log_p[:, PAD] = torch.where(self.ended, 0.0, -torch.inf).flatten()
        log_p[rows] = logits.log_softmax(-1)
        log_p = log_p.view(n, width, n_tokens)
        if self.chemistry is not None and self.refuses:
            refused = self.chemistry.refused(n_left)
            log_p.masked_fill_(refused & ~self.ended[:, :, None], -torch.inf)
        likelihood = (self.likelihood[:, :, None] + log_p).flatten(1)
        penalty = self._penalties()
        scores = likelihood if penalty is None else likelihood - penalty
        _, places = scores.topk(width, dim=1)
        parents, chosen = places // n_tokens, places % n_tokens
        self.likelihood = likelihood.gather(1, places)
        if penalty is not None:
            self.penalty = penalty.gather(1, places)
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
        """Take spectra whose beams have all ended out of the batch, abandoned strings out of the cache."""
        running = (~self.ended).any(1)
        rows = running.nonzero().flatten()
        self.strings.tidy(rows)
        if running.all():
            return
        self._collect(~running)
        self.live, self.tokens = self.live[rows], self.tokens[rows]
        self.likelihood, self.penalty, self.ended = (
            self.likelihood[rows],
            self.penalty[rows],
            self.ended[rows],
        )
        for state in (self.chemistry, self.mass):
            if state is not None:
                state.select(rows)

    def results(self) -> list[list[Beam]]:
        self._collect(torch.ones_like(self.live, dtype=torch.bool))
        return [self.found[number] for number in sorted(self.found)]

    def _penalties(self) -> Tensor | None:
        """What each continuation has against it, (B, W V). An ended beam keeps what it had."""
        if self.mass is None:
            return None
        penalty = torch.where(self.ended[:, :, None], self.penalty[:, :, None], self.mass.penalty().float())
        return penalty.flatten(1)

    def _collect(self, which: Tensor) -> None:
        for place in which.nonzero().flatten().tolist():
            beams: list[Beam] = []
            rows, likelihoods = self.tokens[place].tolist(), self.likelihood[place].tolist()
            for row, likelihood in zip(rows, likelihoods, strict=True):
                if likelihood > float("-inf"):
                    beams.append(Beam(tuple(token for token in row[1:] if token != PAD), likelihood))
            self.found[int(self.live[place])] = beams
