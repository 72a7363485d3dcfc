"""A trained decoder that adds one token a step to W strings for each memory. Inference only; no search.

Axes here: B memories, W strings each, S memory positions, H heads, D width, V vocabulary, R rows (the strings
whose logits are requested).
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

CPU_PART = 4  # memories of similar length that a CPU processes together; a GPU processes all at once
ROOM_STEPS = 16  # steps between two calls of `tidy`, which copies the slots that are in use


class BeamDecoder:
    """The strings of a memory share its keys and values, and those of their common prefixes.

    The token that string w gets in a step takes one slot. `own` marks the slots that hold a string's prefix,
    so continuing one string in two ways moves no keys. `tidy`, required every ROOM_STEPS steps, removes the
    slots of abandoned strings. With five strings this reads and copies a fifth of what five caches would.
    Neighbouring memories should be of similar length, because padding is computed too.
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
        size = CPU_PART if tokens.device.type == "cpu" else n
        parts = [memory.rows(slice(start, start + size)).packed() for start in range(0, n, size)]
        self.memory = [_Memory.of(layer.attention, parts) for layer in self.layers]
        self.prefix = [_Prefix.empty(layer.attention, n, room, tokens) for layer in self.layers]
        self.own = torch.zeros((n, width, room), dtype=torch.bool, device=tokens.device)
        self.used = 0

    @property
    def is_full(self) -> bool:
        """`tidy` must be called before the next step."""
        return self.used == self.own.shape[2]

    def step(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """The last tokens (B, W) to the logits (R, V) of the next ones.

        `rows`: flat indices of the R requested strings among all B x W. The others cost almost nothing.
        """
        n, width = tokens.shape
        end = self.used + width
        self.own[:, :, self.used : end].diagonal(dim1=1, dim2=2).fill_(True)
        bias = keep_bias(self.own[:, None, :, :end])
        layout = _RowLayout(rows, n, width)
        x = self.decoder.embedding(tokens.view(-1)[rows, None], self.length)[:, 0]
        for layer, prefix, memory in zip(self.layers, self.prefix, self.memory, strict=True):
            own = layout.spread(layer.own(layer.norm_self(x)), layer.heads)
            prefix.write(own[1:], self.used)
            x = layer.self_out(layout.collect(prefix.attend(own[0], bias))).add_(x)
            query = layout.spread(layer.memory_query(layer.norm_memory(x)), layer.heads)[0]
            x = layer.memory_out(layout.collect(memory.attend(query))).add_(x)
            x = layer.outer(functional.gelu(layer.inner(layer.norm_ff(x)))).add_(x)
        self.used = end
        self.length += 1
        return self.head(self.norm(x))

    def follow(self, parents: Tensor) -> None:
        """Make string w a continuation of string parents[b, w]; parents (B, W)."""
        self.own = self.own.gather(1, parents[:, :, None].expand(-1, -1, self.own.shape[2]))

    def tidy(self, memories: Tensor) -> None:
        """Keep only these memories, and of their slots only those that hold the prefix of some string."""
        n_before = len(self.own)
        own = self.own[memories]
        in_use = own.any(1)
        self.used = int(in_use.sum(1).max())
        # Slots in use first, in the order of writing. Unused ones fill up where a memory has fewer.
        kept = in_use.long().argsort(dim=1, descending=True, stable=True)[:, : self.used]
        room = ROOM_STEPS * self.width
        self.own = functional.pad(own.gather(2, kept[:, None, :].expand(-1, self.width, -1)), (0, room))
        self.prefix = [prefix.gather(memories, kept, room) for prefix in self.prefix]
        if len(memories) < n_before:
            self.memory = [memory.select(memories) for memory in self.memory]


@dataclass(frozen=True)
class _Product:
    """A linear layer with its weight transposed, which is faster for few rows."""

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
    """A layer norm without the overhead of nn.Module, which costs as much as the norm of few rows."""

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
    """The parts of a decoder block as `step` uses them."""

    attention: Attention  # to the memory; attention to the prefix has the same shape
    norm_self: _Norm
    norm_memory: _Norm
    norm_ff: _Norm
    own: _Product  # query, key and value of the new token in one product, which is faster than two
    self_out: _Product
    memory_query: _Product
    memory_out: _Product
    inner: _Product
    outer: _Product

    @classmethod
    def of(cls, block: DecoderBlock) -> _Layer:
        to_prefix, to_memory = block.self_attention, block.memory_attention
        weight, bias = _scaled_query(to_prefix)
        key_value = to_prefix.key_value
        joined = torch.cat([weight, key_value.weight]), torch.cat([bias, key_value.bias])
        return cls(
            attention=to_memory,
            norm_self=_Norm.like(block.norm_self),
            norm_memory=_Norm.like(block.norm_memory),
            norm_ff=_Norm.like(block.norm_ff),
            own=_Product.of(*joined),
            self_out=_Product.like(to_prefix.out),
            memory_query=_Product.of(*_scaled_query(to_memory)),
            memory_out=_Product.like(to_memory.out),
            inner=_Product.like(block.ff.inner),
            outer=_Product.like(block.ff.outer),
        )

    @property
    def heads(self) -> tuple[int, int]:
        """Number of heads, and the width of each."""
        n_heads = self.attention.n_heads
        return n_heads, self.attention.query.out_features // n_heads


@dataclass
class _Part:
    """Keys and values of b memories of similar length in one layer."""

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
    """Keys and values of all memories in one layer, in parts."""

    parts: list[_Part]

    @classmethod
    def of(cls, attention: Attention, memories: Sequence[Memory]) -> _Memory:
        return cls([_Part.of(attention, memory) for memory in memories])

    def attend(self, query: Tensor) -> Tensor:
        """query (B, H, W, D/H) to the same shape."""
        queries = torch.split(query, [len(part.keys) for part in self.parts])
        pairs = zip(self.parts, queries, strict=True)
        return torch.cat([part.attend(part_query) for part, part_query in pairs])

    def select(self, rows: Tensor) -> _Memory:
        """Only `rows`, ascending. Parts that keep all their rows are not copied."""
        kept: list[_Part] = []
        start = 0
        for part in self.parts:
            end = start + len(part.keys)
            part_rows = rows[(rows >= start) & (rows < end)] - start
            if len(part_rows) == len(part.keys):
                kept.append(part)
            elif len(part_rows):
                kept.append(part.select(part_rows))
            start = end
        return _Memory(kept)


@dataclass
class _Prefix:
    """Keys and values of all tokens so far in one layer, (2, B, H, slots, D/H)."""

    slots: Tensor

    @classmethod
    def empty(cls, attention: Attention, n: int, room: int, like: Tensor) -> _Prefix:
        heads = attention.n_heads
        return cls(like.new_zeros((2, n, heads, room, attention.query.out_features // heads)))

    def write(self, key_value: Tensor, start: int) -> None:
        """Keys and values (2, B, H, W, D/H) into the slots from `start`."""
        self.slots[:, :, :, start : start + key_value.shape[3]] = key_value

    def attend(self, query: Tensor, bias: Tensor) -> Tensor:
        keys, values = self.slots[:, :, :, : bias.shape[3]]
        return _attend(query, keys.transpose(2, 3), values, bias)

    def gather(self, rows: Tensor, slots: Tensor, room: int) -> _Prefix:
        """Only `rows`, and of each only its `slots` (rows, n), followed by `room` empty slots."""
        _, n_before, heads, n_slots, d = self.slots.shape
        n_rows, n = slots.shape
        # Flat indices over keys and values, memories, heads and slots
        pairs = torch.arange(2, device=slots.device)[:, None] * n_before + rows
        heads_of = pairs[:, :, None] * heads + torch.arange(heads, device=slots.device)
        indices = heads_of[..., None] * n_slots + slots[None, :, None, :]
        kept = self.slots.new_zeros((2, n_rows, heads, n + room, d))
        kept[:, :, :, :n] = self.slots.view(-1, d)[indices.flatten()].view(2, n_rows, heads, n, d)
        return _Prefix(kept)


class _RowLayout:
    """Maps the R requested rows to all B x W strings and back."""

    def __init__(self, rows: Tensor, n: int, width: int) -> None:
        self.rows, self.n, self.width = rows, n, width
        self.are_all = len(rows) == n * width

    def spread(self, x: Tensor, heads: tuple[int, int]) -> Tensor:
        """x (R, P D), P projections side by side, to (P, B, H, W, D/H). Strings without a row get zeros."""
        if not self.are_all:
            x = x.new_zeros((self.n * self.width, x.shape[1])).index_copy_(0, self.rows, x)
        return x.view(self.n, self.width, -1, *heads).permute(2, 0, 3, 1, 4)

    def collect(self, x: Tensor) -> Tensor:
        """x (B, H, W, D/H) to (R, D)."""
        strings = x.transpose(1, 2).reshape(self.n * self.width, -1)
        return strings if self.are_all else strings.index_select(0, self.rows)


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """query (B, H, W, D/H), already scaled, bias (B, 1, W or 1, slots) to (B, H, W, D/H)."""
    # The fused kernel takes twice as long for so few queries, and `@` makes twice as many calls.
    n, heads, width, d = query.shape
    logits = torch.bmm(query.reshape(-1, width, d), keys.flatten(0, 1)).view(n, heads, width, -1)
    shares = logits.add_(bias).softmax(-1)
    return torch.bmm(shares.flatten(0, 1), values.flatten(0, 1)).view(n, heads, width, d)


def _scaled_query(attention: Attention) -> tuple[Tensor, Tensor]:
    """Weight and bias of the queries, divided by the square root of the head width."""
    scale = (attention.query.out_features // attention.n_heads) ** -0.5
    return attention.query.weight * scale, attention.query.bias * scale
