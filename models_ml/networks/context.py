"""What the decoder reads, and how the nearest candidates join it token by token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models_ml.config import GlmrConfig

NO_CANDIDATE = -1
# Places (B, M) among a row's candidates, NO_CANDIDATE where there is none, to the candidates' token features.
ReadTokens = Callable[[Tensor], "PackedTokens"]


@dataclass(frozen=True, slots=True, eq=False)
class PackedTokens:
    """Token features H^m of several molecules a row, one behind the other."""

    tokens: Tensor  # (B, S, Dm)
    which: Tensor  # (B, S) the molecule of each, counted within its row
    keep: Tensor  # (B, S)

    @classmethod
    def of(cls, rows: Sequence[Sequence[Tensor]], like: Tensor) -> PackedTokens:
        """`rows`: token features (L, Dm) of each row's molecules; `like` names width, type and device."""
        longest = max((sum(len(one) for one in row) for row in rows), default=0)
        tokens = like.new_zeros((len(rows), longest, like.shape[-1]))
        which = torch.zeros((len(rows), longest), dtype=torch.int64)
        keep = torch.zeros((len(rows), longest), dtype=torch.bool)
        for place, row in enumerate(rows):
            end = 0
            for number, one in enumerate(row):
                start, end = end, end + len(one)
                tokens[place, start:end] = one
                which[place, start:end] = number
            keep[place, :end] = True
        return cls(tokens, which.to(like.device), keep.to(like.device))


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """B memories of S positions."""

    tokens: Tensor  # (B, S, Dm)
    bias: Tensor  # (B, S) added to the logits of every attention: minus infinity where there is nothing

    @classmethod
    def of(cls, tokens: Tensor, keep: Tensor) -> Memory:
        """All positions in `keep` (B, S) alike."""
        return cls(tokens, keep_bias(keep))

    def rows(self, rows: Tensor | slice) -> Memory:
        return Memory(self.tokens[rows], self.bias[rows])

    def lengths(self) -> Tensor:
        """Positions of each that hold something, (B,)."""
        return (self.bias > -torch.inf).sum(1)

    def packed(self) -> Memory:
        """The same without gaps, as long as the longest."""
        longest = int(self.lengths().max())
        if longest == self.bias.shape[1]:
            return self
        places = (self.bias > -torch.inf).long().argsort(dim=1, descending=True, stable=True)[:, :longest]
        wide = places[:, :, None].expand(-1, -1, self.tokens.shape[2])
        return Memory(self.tokens.gather(1, wide), self.bias.gather(1, places))


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """K candidates of each of B spectra."""

    embeddings: Tensor  # E^m (B, K, E)
    keep: Tensor  # (B, K)
    similarity: Tensor  # (B, K) cosine to the spectrum
    read: ReadTokens


class CandidateContext(nn.Module):
    """The nearest candidates as further positions of the memory, the surer the candidate, the louder.

    One vector a candidate is too narrow to write a molecule from; its tokens let the decoder copy what it
    has reason to keep and write the rest. A softmax of the similarities says how much each may speak, so
    that a crowd of unlikely candidates does not drown the likely one.
    """

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        self.n = config.context_molecules
        self.kind = nn.Parameter(torch.zeros(config.d_molecule))  # tells these positions from the spectrum's
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.spectrum_bias = nn.Parameter(torch.tensor(-2.0))

    def join(self, memory: Memory, candidates: Candidates) -> Memory:
        """`memory` with the tokens of the nearest candidates behind it."""
        some = candidates.keep.any(1, keepdim=True)
        logits = (self.log_scale.exp() * candidates.similarity).masked_fill(~candidates.keep, -torch.inf)
        # A row without candidates has no softmax: it gets one, and then minus infinity again.
        weights = logits.masked_fill(~some, 0.0).log_softmax(1).masked_fill(~candidates.keep, -torch.inf)
        best, places = weights.topk(min(self.n, weights.shape[1]), dim=1)
        read = candidates.read(places.masked_fill(best == -torch.inf, NO_CANDIDATE))
        loudness = best.gather(1, read.which).masked_fill(~read.keep, -torch.inf)
        tokens = (read.tokens + self.kind).to(memory.tokens.dtype)
        return Memory(
            torch.cat([memory.tokens, tokens], dim=1),
            torch.cat([memory.bias + self.spectrum_bias, loudness], dim=1),
        )


def keep_bias(keep: Tensor) -> Tensor:
    """0 where kept, minus infinity elsewhere."""
    return torch.zeros(keep.shape, device=keep.device).masked_fill_(~keep, -torch.inf)
