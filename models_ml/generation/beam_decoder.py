"""A trained decoder writing W strings for each memory at once, a token a step. Inference only; no search.

Axes: B memories, W strings each, S memory positions, H heads, D width, V vocabulary,
R rows: the strings asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.networks.attention import Attention, DecoderBlock
from models_ml.networks.context import Memory, keep_bias
from models_ml.networks.molecule import MoleculeDecoder

PART_MEMORIES = 4  # of like length, read together on a processor; a GPU reads all at once
ROOM_STEPS = 16  # steps between two tidyings; each copies the slots that are still in use


class BeamDecoder:
    """Strings of one memory share what they share: its keys and values, and those of their common beginning.

    The token that string w writes at a step takes one slot. `own` says which slots a string's past lies in,
    so continuing one string in two ways moves no keys. `tidy`, due every ROOM_STEPS steps, throws out what
    abandoned strings have left. With five strings this reads and copies a fifth of what five caches would.
    Memories that stand together should be of like length: what pads the shorter ones is read as well.
    """

    def __init__(self, decoder: MoleculeDecoder, memory: Memory, width: int) -> None:
        self.decoder = decoder
        self.layers = [_Layer.of(block) for block in decoder.blocks if isinstance(block, DecoderBlock)]
        self.norm = _Norm.like(decoder.norm)
        self.head = _Product.of(decoder.embedding.tokens.weight, decoder.bias)
        self.width = width
        self.length = 0
        tokens = memory.tokens
        n, room = len(tokens), ROOM_STEPS * width
        size = PART_MEMORIES if tokens.device.type == "cpu" else n
        parts = [memory.rows(slice(start, start + size)).packed() for start in range(0, n, size)]
        self.memory = [_Memory.of(layer.attention, parts) for layer in self.layers]
        self.past = [_Past.empty(layer.attention, n, room, tokens) for layer in self.layers]
        self.own = torch.zeros((n, width, room), dtype=torch.bool, device=tokens.device)
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
        end = self.used + width
        self.own[:, :, self.used : end].diagonal(dim1=1, dim2=2).fill_(True)
        bias = keep_bias(self.own[:, None, :, :end])
        place = _Places(rows, n, width)
        x = self.decoder.embedding(tokens.view(-1)[rows, None], self.length)[:, 0]
        for layer, past, memory in zip(self.layers, self.past, self.memory, strict=True):
            own = place.spread(layer.own(layer.norm_self(x)), layer.heads)
            past.write(own[1:], self.used)
            x = layer.self_out(place.collect(past.attend(own[0], bias))).add_(x)
            query = place.spread(layer.memory_query(layer.norm_memory(x)), layer.heads)[0]
            x = layer.memory_out(place.collect(memory.attend(query))).add_(x)
            x = layer.outer(functional.gelu(layer.inner(layer.norm_ff(x)))).add_(x)
        self.used = end
        self.length += 1
        return self.head(self.norm(x))

    def follow(self, parents: Tensor) -> None:
        """String w is from now on a continuation of string parents[b, w]; parents (B, W)."""
        self.own = self.own.gather(1, parents[:, :, None].expand(-1, -1, self.own.shape[2]))

    def tidy(self, memories: Tensor) -> None:
        """Go on with these memories alone, and of their slots with those that some string's past lies in."""
        n_before = len(self.own)
        own = self.own[memories]
        in_use = own.any(1)
        self.used = int(in_use.sum(1).max())
        # Slots in use first, in the order of writing; where a memory has fewer, unused ones fill up.
        kept = in_use.long().argsort(dim=1, descending=True, stable=True)[:, : self.used]
        room = ROOM_STEPS * self.width
        self.own = functional.pad(own.gather(2, kept[:, None, :].expand(-1, self.width, -1)), (0, room))
        self.past = [past.gather(memories, kept, room) for past in self.past]
        if len(memories) < n_before:
            self.memory = [memory.select(memories) for memory in self.memory]


@dataclass(frozen=True)
class _Product:
    """A linear layer with its weight turned round, which few rows multiply faster."""

    weight: Tensor  # (D_in, D_out)
    bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> _Product:
        return cls(weight.t().contiguous(), bias)

    @classmethod
    def like(cls, linear: nn.Linear) -> _Product:
        return cls.of(linear.weight, linear.bias)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)


@dataclass(frozen=True)
class _Norm:
    """A layer norm without the way through nn.Module, which costs as much as the norm of few rows."""

    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def like(cls, norm: nn.LayerNorm) -> _Norm:
        return cls(norm.weight, norm.bias, norm.eps)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class _Layer:
    """A decoder block's parts as `step` uses them."""

    attention: Attention  # to the memory; that to the past is of the same shape
    norm_self: _Norm
    norm_memory: _Norm
    norm_ff: _Norm
    own: _Product  # query, key and value in one: one large product is faster than two
    self_out: _Product
    memory_query: _Product
    memory_out: _Product
    inner: _Product
    outer: _Product

    @classmethod
    def of(cls, block: DecoderBlock) -> _Layer:
        own, asked = block.self_attention, block.memory_attention
        weight, bias = _scaled_query(own)
        joined = torch.cat([weight, own.key_value.weight]), torch.cat([bias, own.key_value.bias])
        return cls(
            attention=asked,
            norm_self=_Norm.like(block.norm_self),
            norm_memory=_Norm.like(block.norm_memory),
            norm_ff=_Norm.like(block.norm_ff),
            own=_Product.of(*joined),
            self_out=_Product.like(own.out),
            memory_query=_Product.of(*_scaled_query(asked)),
            memory_out=_Product.like(asked.out),
            inner=_Product.like(block.ff.inner),
            outer=_Product.like(block.ff.outer),
        )

    @property
    def heads(self) -> tuple[int, int]:
        """How many heads, and how wide each is."""
        n_heads = self.attention.n_heads
        return n_heads, self.attention.query.out_features // n_heads


@dataclass
class _Part:
    """Some memories of like length in one layer."""

    keys: Tensor  # (b, H, D/H, S)
    values: Tensor  # (b, H, S, D/H)
    bias: Tensor  # (b, 1, 1, S)

    @classmethod
    def of(cls, attention: Attention, memory: Memory) -> _Part:
        projected = attention.project(memory.tokens)
        keys = projected.keys.transpose(2, 3).contiguous()
        return cls(keys, projected.values.contiguous(), memory.bias[:, None, None, :])

    def attend(self, query: Tensor) -> Tensor:
        return _attend(query, self.keys, self.values, self.bias)

    def select(self, rows: Tensor) -> _Part:
        return _Part(self.keys[rows], self.values[rows], self.bias[rows])


@dataclass
class _Memory:
    """The memories in one layer, in parts."""

    parts: list[_Part]

    @classmethod
    def of(cls, attention: Attention, memories: Sequence[Memory]) -> _Memory:
        return cls([_Part.of(attention, some) for some in memories])

    def attend(self, query: Tensor) -> Tensor:
        """query (B, H, W, D/H) to the same."""
        queries = torch.split(query, [len(part.keys) for part in self.parts])
        return torch.cat([part.attend(some) for part, some in zip(self.parts, queries, strict=True)])

    def select(self, rows: Tensor) -> _Memory:
        """Only `rows`, ascending. Parts that keep all they have are not copied."""
        kept: list[_Part] = []
        start = 0
        for part in self.parts:
            end = start + len(part.keys)
            some = rows[(rows >= start) & (rows < end)] - start
            if len(some) == len(part.keys):
                kept.append(part)
            elif len(some):
                kept.append(part.select(some))
            start = end
        return _Memory(kept)


@dataclass
class _Past:
    """Keys and values of the tokens written so far in one layer, (2, B, H, slots, D/H)."""

    slots: Tensor

    @classmethod
    def empty(cls, attention: Attention, n: int, room: int, like: Tensor) -> _Past:
        heads = attention.n_heads
        return cls(like.new_zeros((2, n, heads, room, attention.query.out_features // heads)))

    def write(self, key_value: Tensor, start: int) -> None:
        """Keys and values (2, B, H, W, D/H) into the slots from `start`."""
        self.slots[:, :, :, start : start + key_value.shape[3]] = key_value

    def attend(self, query: Tensor, bias: Tensor) -> Tensor:
        keys, values = self.slots[:, :, :, : bias.shape[3]]
        return _attend(query, keys.transpose(2, 3), values, bias)

    def gather(self, rows: Tensor, slots: Tensor, room: int) -> _Past:
        """Only `rows`, and of each only its `slots` (rows, n), with room for more behind them."""
        _, n_before, heads, n_slots, d = self.slots.shape
        n_rows, n = slots.shape
        # Which keys and which values, counted through over all memories, heads and slots
        pairs = torch.arange(2, device=slots.device)[:, None] * n_before + rows
        heads_of = pairs[:, :, None] * heads + torch.arange(heads, device=slots.device)
        places = heads_of[..., None] * n_slots + slots[None, :, None, :]
        kept = self.slots.new_zeros((2, n_rows, heads, n + room, d))
        kept[:, :, :, :n] = self.slots.view(-1, d)[places.flatten()].view(2, n_rows, heads, n, d)
        return _Past(kept)


class _Places:
    """Where the R rows asked for stand among all B x W strings."""

    def __init__(self, rows: Tensor, n: int, width: int) -> None:
        self.rows, self.n, self.width = rows, n, width
        self.are_all = len(rows) == n * width

    def spread(self, x: Tensor, heads: tuple[int, int]) -> Tensor:
        """x (R, P D), P projections side by side, to (P, B, H, W, D/H): zeros where no row is."""
        if not self.are_all:
            x = x.new_zeros((self.n * self.width, x.shape[1])).index_copy_(0, self.rows, x)
        return x.view(self.n, self.width, -1, *heads).permute(2, 0, 3, 1, 4)

    def collect(self, x: Tensor) -> Tensor:
        """x (B, H, W, D/H) to (R, D)."""
        strings = x.transpose(1, 2).reshape(self.n * self.width, -1)
        return strings if self.are_all else strings.index_select(0, self.rows)


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """query (B, H, W, D/H), already scaled, bias (B, 1, W or 1, slots) to (B, H, W, D/H)."""
    # Written out: the fused kernel takes twice as long for so few queries, and `@` twice as many calls.
    n, heads, width, d = query.shape
    logits = torch.bmm(query.reshape(-1, width, d), keys.flatten(0, 1)).view(n, heads, width, -1)
    shares = logits.add_(bias).softmax(-1)
    return torch.bmm(shares.flatten(0, 1), values.flatten(0, 1)).view(n, heads, width, d)


def _scaled_query(attention: Attention) -> tuple[Tensor, Tensor]:
    """Weight and bias of queries divided by the root of their width, which attention does otherwise."""
    scale = (attention.query.out_features // attention.n_heads) ** -0.5
    return attention.query.weight * scale, attention.query.bias * scale
