"""The decoder's memory, and how the tokens of the most similar candidates are added to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models_ml.config import GlmrConfig

NO_CANDIDATE = -1
# Indices (B, M) among each row's candidates, NO_CANDIDATE for none, to the token features of these
# candidates.
ReadTokens = Callable[[Tensor], "PackedTokens"]


@dataclass(frozen=True, slots=True, eq=False)
class PackedTokens:
    """Token features H^m of several molecules in each row, one molecule after the other."""

    tokens: Tensor  # (B, S, Dm)
    molecule: Tensor  # (B, S) index of the molecule of each token, within its row
    keep: Tensor  # (B, S)

    @classmethod
    def of(cls, rows: Sequence[Sequence[Tensor]], like: Tensor) -> PackedTokens:
        """`rows`: token features (T, Dm) of each row's molecules. `like` sets width, type and device."""
        longest = max((sum(len(features) for features in row) for row in rows), default=0)
        tokens = like.new_zeros((len(rows), longest, like.shape[-1]))
        molecule = torch.zeros((len(rows), longest), dtype=torch.int64)
        keep = torch.zeros((len(rows), longest), dtype=torch.bool)
        for index, row in enumerate(rows):
            end = 0
            for number, features in enumerate(row):
                start, end = end, end + len(features)
                tokens[index, start:end] = features
                molecule[index, start:end] = number
            keep[index, :end] = True
        return cls(tokens, molecule.to(like.device), keep.to(like.device))


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """B memories of S positions."""

    tokens: Tensor  # (B, S, Dm)
    bias: Tensor  # (B, S) added to the attention logits; minus infinity at padding

    @classmethod
    def of(cls, tokens: Tensor, keep: Tensor) -> Memory:
        """All positions in `keep` (B, S) have the same bias."""
        return cls(tokens, keep_bias(keep))

    def rows(self, rows: Tensor | slice) -> Memory:
        return Memory(self.tokens[rows], self.bias[rows])

    def lengths(self) -> Tensor:
        """Number of real positions of each memory, (B,)."""
        return (self.bias > -torch.inf).sum(1)

    def packed(self) -> Memory:
        """The same memories without gaps, padded to the longest."""
        longest = int(self.lengths().max())
        if longest == self.bias.shape[1]:
            return self
        positions = (self.bias > -torch.inf).long().argsort(dim=1, descending=True, stable=True)[:, :longest]
        of_tokens = positions[:, :, None].expand(-1, -1, self.tokens.shape[2])
        return Memory(self.tokens.gather(1, of_tokens), self.bias.gather(1, positions))


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """At most K candidates of each of B spectra."""

    embeddings: Tensor  # E^m (B, K, D)
    keep: Tensor  # (B, K)
    similarity: Tensor  # (B, K) cosine of E^s and E^m
    read: ReadTokens


class CandidateContext(nn.Module):
    """Appends the tokens H^m of the most similar candidates to the memory.

    One vector for each candidate is not enough to generate a molecule from. With its tokens, the decoder can
    copy parts of a candidate and change the rest. The attention bias of a candidate's tokens is the log
    softmax of its similarity, so that many unlikely candidates do not outweigh the likely one.
    """

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        self.n = config.context_molecules
        self.kind = nn.Parameter(torch.zeros(config.d_molecule))  # marks candidate tokens
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.spectrum_bias = nn.Parameter(torch.tensor(-2.0))

    def join(self, memory: Memory, candidates: Candidates) -> Memory:
        """`memory` followed by the tokens of the most similar candidates."""
        has_candidates = candidates.keep.any(1, keepdim=True)
        logits = (self.log_scale.exp() * candidates.similarity).masked_fill(~candidates.keep, -torch.inf)
        # The softmax of a row without candidates is undefined: compute one over zeros, then mask it again.
        log_weights = logits.masked_fill(~has_candidates, 0.0).log_softmax(1)
        log_weights = log_weights.masked_fill(~candidates.keep, -torch.inf)
        best, nearest = log_weights.topk(min(self.n, log_weights.shape[1]), dim=1)
        read = candidates.read(nearest.masked_fill(best == -torch.inf, NO_CANDIDATE))
        bias = best.gather(1, read.molecule).masked_fill(~read.keep, -torch.inf)
        tokens = (read.tokens + self.kind).to(memory.tokens.dtype)
        return Memory(
            torch.cat([memory.tokens, tokens], dim=1),
            torch.cat([memory.bias + self.spectrum_bias, bias], dim=1),
        )


def keep_bias(keep: Tensor) -> Tensor:
    """0 at kept positions, minus infinity elsewhere."""
    return torch.zeros(keep.shape, device=keep.device).masked_fill_(~keep, -torch.inf)
