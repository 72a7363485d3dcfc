"""Beam search over the decoder with cached keys and values. Deterministic; knows no chemistry."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.networks.molecule import DecoderState, MoleculeDecoder
from models_ml.tokenizer import BOS, EOS, MASK, PAD, UNK

COMPACT_EVERY_STEPS = 8  # how often spectra whose beams have all ended leave the batch


class GenerationTooSlow(Exception):
    """The deadline passed before the beams ended. Trying again on a free machine may succeed."""


@dataclass(frozen=True, slots=True)
class Beam:
    tokens: tuple[int, ...]  # without BOS; ends with EOS unless the length bound cut it
    log_likelihood: float  # summed over tokens, natural log


def beam_search(
    decoder: MoleculeDecoder,
    memory: Tensor,
    memory_keep: Tensor,
    *,
    beam_size: int,
    max_tokens: int,
    deadline_s: float | None = None,
) -> list[list[Beam]]:
    """The `beam_size` likeliest strings found for each memory (B, S, D), best first.

    Likelihoods are not normalised by length. An ended beam keeps its place until likelier ones push it out.
    Raises GenerationTooSlow `deadline_s` seconds after the start.
    """
    started = time.monotonic()
    with torch.inference_mode():
        search = _Search(decoder, memory, memory_keep, beam_size)
        for step in range(max_tokens):
            search.advance()
            if step % COMPACT_EVERY_STEPS == COMPACT_EVERY_STEPS - 1:
                search.retire_ended()
            if not search.is_running():
                break
            if deadline_s is not None and time.monotonic() - started > deadline_s:
                raise GenerationTooSlow(
                    f"Generation for {memory.shape[0]} spectra took over {deadline_s:.0f} s. "
                    "Lower the batch size or the number of beams."
                )
        return search.results()


class _Search:
    """Live beams of the spectra that still run; row r of the state is beam r % W of live spectrum r // W."""

    def __init__(self, decoder: MoleculeDecoder, memory: Tensor, memory_keep: Tensor, width: int) -> None:
        self.decoder = decoder
        self.width = width
        n = memory.shape[0]
        self.device = memory.device
        self.live = torch.arange(n, device=self.device)  # which spectra still run
        first = decoder.start(memory, memory_keep)
        self.state: DecoderState = first.select(self.live.repeat_interleave(width))
        self.tokens = torch.full((n, width, 1), BOS, device=self.device)
        # All beams begin alike: only the first may be continued in the first step.
        self.scores = torch.full((n, width), -torch.inf, device=self.device)
        self.scores[:, 0] = 0.0
        self.ended = torch.zeros((n, width), dtype=torch.bool, device=self.device)
        self.never = torch.tensor([PAD, BOS, MASK, UNK], device=self.device)
        self.found: dict[int, list[Beam]] = {}

    def advance(self) -> None:
        """Continue every live beam by one token and keep the best `width` of each spectrum."""
        n, width = self.scores.shape
        logits, state = self.decoder(self.tokens[:, :, -1].reshape(-1, 1), self.state)
        log_p = logits[:, 0].float()
        log_p[:, self.never] = -torch.inf
        log_p = log_p.log_softmax(-1).view(n, width, -1)
        n_tokens = log_p.shape[-1]
        # An ended beam has one continuation, PAD, which costs nothing.
        log_p = log_p.masked_fill(self.ended[:, :, None], -torch.inf)
        log_p[:, :, PAD] = torch.where(self.ended, 0.0, -torch.inf)
        scores, places = (self.scores[:, :, None] + log_p).flatten(1).topk(width, dim=1)
        parents, chosen = places // n_tokens, places % n_tokens
        rows = (parents + width * torch.arange(n, device=self.device)[:, None]).flatten()
        self.state = state.reorder_prefix(rows)
        history = self.tokens.gather(1, parents[:, :, None].expand(-1, -1, self.tokens.shape[2]))
        self.tokens = torch.cat([history, chosen[:, :, None]], dim=2)
        self.ended = self.ended.gather(1, parents) | (chosen == EOS)
        self.scores = scores

    def is_running(self) -> bool:
        return bool((~self.ended).any())

    def retire_ended(self) -> None:
        """Take spectra whose beams have all ended out of the batch."""
        running = (~self.ended).any(1)
        if running.all():
            return
        self._collect(~running)
        places = running.nonzero().flatten()
        self.live, self.tokens = self.live[places], self.tokens[places]
        self.scores, self.ended = self.scores[places], self.ended[places]
        rows = places[:, None] * self.width + torch.arange(self.width, device=self.device)
        self.state = self.state.select(rows.flatten())

    def results(self) -> list[list[Beam]]:
        self._collect(torch.ones_like(self.live, dtype=torch.bool))
        return [self.found[number] for number in sorted(self.found)]

    def _collect(self, which: Tensor) -> None:
        for place in which.nonzero().flatten().tolist():
            beams: list[Beam] = []
            for row, score in zip(self.tokens[place].tolist(), self.scores[place].tolist(), strict=True):
                if score > float("-inf"):
                    beams.append(Beam(tuple(token for token in row[1:] if token != PAD), score))
            self.found[int(self.live[place])] = beams
