"""A trained decoder writing W strings for each memory at once, a token a step. Inference only; no search.

Axes: B memories, W strings each, S memory positions, H heads, D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models_ml.networks.attention import Attention, DecoderBlock
from models_ml.networks.molecule import MoleculeDecoder

ROOM_STEPS = 8  # steps between two tidyings; each copies the slots that are still in use


class BeamDecoder:
    """Strings of one memory share what they share: its keys and values, and those of their common beginning.

    The token that string w writes at a step takes one slot. `own` says which slots a string's past lies in,
    so continuing one string in two ways moves no keys. `tidy`, due every ROOM_STEPS steps, throws out what
    abandoned strings have left. With five strings this reads and copies a fifth of what five caches would.
    """

    def __init__(self, decoder: MoleculeDecoder, memory: Tensor, memory_keep: Tensor, width: int) -> None:
        """memory (B, S, D), memory_keep (B, S)."""
        self.decoder = decoder
        self.blocks = [block for block in decoder.blocks if isinstance(block, DecoderBlock)]
        self.width = width
        self.length = 0
        self.self_projections = [_joined(block.self_attention) for block in self.blocks]
        self.memory_queries = [_scaled_query(block.memory_attention) for block in self.blocks]
        self.memory = [_Slots.of_memory(block.memory_attention, memory) for block in self.blocks]
        self.memory_bias = _bias(memory_keep)[:, None, None, :]
        n, room = len(memory), ROOM_STEPS * width
        self.past = [_Slots.empty(block.self_attention, n, room, memory) for block in self.blocks]
        self.own = torch.zeros((n, width, room), dtype=torch.bool, device=memory.device)
        self.used = 0

    @property
    def is_full(self) -> bool:
        """`tidy` must come before the next step."""
        return self.used == self.own.shape[2]

    def step(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """The tokens (B, W) written last to logits (R, V) of the next ones.

        `rows`: which of the B x W strings are asked for, counted through; the others cost next to nothing.
        """
        n, width = tokens.shape
        new = torch.arange(width, device=tokens.device)
        self.own[:, new, self.used + new] = True
        bias = _bias(self.own[:, None, :, : self.used + width])
        x = self.decoder.embedding(tokens.view(-1)[rows, None], self.length)[:, 0]
        for block, joined, memory_query, past, memory in zip(
            self.blocks, self.self_projections, self.memory_queries, self.past, self.memory, strict=True
        ):
            attention = block.self_attention
            own = _spread(functional.linear(block.norm_self(x), *joined), rows, n, width)
            query, key, value = (_split(part, attention) for part in own.chunk(3, dim=-1))
            past.write(key, value, self.used)
            mixed = past.first(self.used + width).attend(query, bias)
            x = x + attention.out(mixed.index_select(0, rows))
            attention = block.memory_attention
            query = _spread(functional.linear(block.norm_memory(x), *memory_query), rows, n, width)
            mixed = memory.attend(_split(query, attention), self.memory_bias)
            x = x + attention.out(mixed.index_select(0, rows))
            x = x + block.ff(block.norm_ff(x))
        self.used += width
        self.length += 1
        return functional.linear(
            self.decoder.norm(x), self.decoder.embedding.tokens.weight, self.decoder.bias
        )

    def follow(self, parents: Tensor) -> None:
        """String w is from now on a continuation of string parents[b, w]; parents (B, W)."""
        self.own = self.own.gather(1, parents[:, :, None].expand(-1, -1, self.own.shape[2]))

    def tidy(self, memories: Tensor) -> None:
        """Go on with these memories alone, and of their slots with those that some string's past lies in."""
        own = self.own[memories]
        in_use = own.any(1)
        self.used = int(in_use.sum(1).max())
        # Slots in use first, in the order of writing; where a memory has fewer, unused ones fill up.
        kept = in_use.long().argsort(dim=1, descending=True, stable=True)[:, : self.used]
        room = ROOM_STEPS * self.width
        self.own = functional.pad(own.gather(2, kept[:, None, :].expand(-1, self.width, -1)), (0, room))
        self.past = [slots.gather(memories, kept, room) for slots in self.past]
        if len(memories) < len(self.memory_bias):
            self.memory = [slots.select(memories) for slots in self.memory]
            self.memory_bias = self.memory_bias[memories]


@dataclass
class _Slots:
    """Keys (B, H, D/H, slots) and values (B, H, slots, D/H) of one attention."""

    keys: Tensor
    values: Tensor

    @classmethod
    def of_memory(cls, attention: Attention, memory: Tensor) -> _Slots:
        projected = attention.project(memory)
        return cls(projected.keys.transpose(2, 3).contiguous(), projected.values.contiguous())

    @classmethod
    def empty(cls, attention: Attention, n: int, room: int, like: Tensor) -> _Slots:
        heads = attention.n_heads
        d = attention.query.out_features // heads
        return cls(like.new_zeros((n, heads, d, room)), like.new_zeros((n, heads, room, d)))

    def write(self, keys: Tensor, values: Tensor, start: int) -> None:
        """keys and values (B, H, W, D/H) into the slots from `start`."""
        end = start + keys.shape[2]
        self.keys[:, :, :, start:end] = keys.transpose(2, 3)
        self.values[:, :, start:end] = values

    def first(self, n_slots: int) -> _Slots:
        return _Slots(self.keys[..., :n_slots], self.values[:, :, :n_slots])

    def attend(self, query: Tensor, bias: Tensor) -> Tensor:
        """query (B, H, W, D/H), already scaled, bias (B, 1, W or 1, slots) to (B W, D)."""
        # Written out: the fused kernel takes twice as long for so few queries.
        scores = (query @ self.keys).add_(bias)
        return (scores.softmax(-1) @ self.values).transpose(1, 2).flatten(2).flatten(0, 1)

    def select(self, rows: Tensor) -> _Slots:
        return _Slots(self.keys[rows], self.values[rows])

    def gather(self, rows: Tensor, slots: Tensor, room: int) -> _Slots:
        """Only `rows`, and of each only its `slots` (rows, n), with room for more behind them."""
        _, heads, d, _ = self.keys.shape
        n_rows, n = slots.shape
        keys = self.keys.new_empty((n_rows, heads, d, n + room))
        values = self.values.new_empty((n_rows, heads, n + room, d))
        places = slots[:, None, None, :].expand(-1, heads, d, -1)
        keys[..., :n] = self.keys[rows].gather(3, places)
        values[:, :, :n] = self.values[rows].gather(2, places.transpose(2, 3))
        return _Slots(keys, values)


def _scaled_query(attention: Attention) -> tuple[Tensor, Tensor]:
    """Weight and bias of queries divided by the root of their width, which attention does otherwise."""
    scale = (attention.query.out_features // attention.n_heads) ** -0.5
    return attention.query.weight * scale, attention.query.bias * scale


def _joined(attention: Attention) -> tuple[Tensor, Tensor]:
    """Weight and bias of query, key and value in one: one large product is faster than two."""
    weight, bias = _scaled_query(attention)
    return torch.cat([weight, attention.key_value.weight]), torch.cat([bias, attention.key_value.bias])


def _split(x: Tensor, attention: Attention) -> Tensor:
    """(B, W, D) to (B, H, W, D/H)."""
    rows, width, d = x.shape
    return x.view(rows, width, attention.n_heads, d // attention.n_heads).transpose(1, 2)


def _spread(x: Tensor, rows: Tensor, n: int, width: int) -> Tensor:
    """x (R, D) to (B, W, D), zeros where no row is."""
    if len(rows) == n * width:
        return x.view(n, width, -1)
    return x.new_zeros((n * width, x.shape[1])).index_copy_(0, rows, x).view(n, width, -1)


def _bias(keep: Tensor) -> Tensor:
    """0 where kept, minus infinity elsewhere."""
    return torch.zeros(keep.shape, device=keep.device).masked_fill_(~keep, -torch.inf)
