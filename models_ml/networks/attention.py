"""Transformer parts that the networks share: attention with a key/value cache, pre-norm blocks.

Axes here: B batch, T queries, S keys, H heads, D width. A `keep` mask is bool (B, S), True at real positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass
class KeyValues:
    """Keys and values of one attention layer, each (B, H, S, D/H). They grow while a sequence is decoded."""

    keys: Tensor
    values: Tensor

    def append(self, keys: Tensor, values: Tensor) -> KeyValues:
        return KeyValues(torch.cat([self.keys, keys], 2), torch.cat([self.values, values], 2))

    def select(self, rows: Tensor) -> KeyValues:
        return KeyValues(self.keys.index_select(0, rows), self.values.index_select(0, rows))


class Attention(nn.Module):
    """Multi-head attention. Queries and keys may have different widths."""

    def __init__(self, d_query: int, d_key: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(d_query, d_query)
        self.key_value = nn.Linear(d_key, 2 * d_query)
        self.out = nn.Linear(d_query, d_query)

    def project(self, source: Tensor) -> KeyValues:
        """Source tokens (B, S, d_key) to keys and values (B, H, S, D/H)."""
        keys, values = self.key_value(source).chunk(2, dim=-1)
        return KeyValues(self._split(keys), self._split(values))

    def forward(
        self,
        x: Tensor,
        key_values: KeyValues,
        *,
        keep: Tensor | None = None,
        bias: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """x (B, T, d_query) to (B, T, d_query).

        Either `keep` (B, S) masks keys, or `bias` (B, S) is added to the attention logits.
        """
        mask = None if keep is None else keep[:, None, None, :]
        if bias is not None:
            mask = bias[:, None, None, :]
        query, keys, values = self._split(self.query(x)), key_values.keys, key_values.values
        if query.dtype == torch.bfloat16 and query.device.type == "cpu" and torch.is_grad_enabled():
            # On CPUs the backward pass in bfloat16 takes five times as long as in float32.
            with torch.autocast("cpu", enabled=False):
                attended = _attend(query.float(), keys.float(), values.float(), mask, causal=causal)
        else:
            attended = _attend(query, keys, values, mask, causal=causal)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, H, T, D/H)."""
        return x.view(x.shape[0], x.shape[1], self.n_heads, -1).transpose(1, 2)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    if mask is not None and mask.is_floating_point():
        mask = mask.to(query.dtype)
    return functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask, is_causal=causal)


class FeedForward(nn.Module):
    def __init__(self, d: int, d_hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(d, d_hidden)
        self.outer = nn.Linear(d_hidden, d)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        out: Tensor = self.outer(functional.gelu(self.inner(x)))
        return out


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward, each after its own norm (pre-norm)."""

    def __init__(self, d: int, n_heads: int, d_ff: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(d)
        self.attention = Attention(d, d, n_heads)
        self.norm_ff = nn.LayerNorm(d)
        self.ff = FeedForward(d, d_ff)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """x (B, T, D), keep (B, T) to (B, T, D)."""
        normed = self.norm_attention(x)
        x = x + self.dropout(self.attention(normed, self.attention.project(normed), keep=keep))
        out: Tensor = x + self.dropout(self.ff(self.norm_ff(x)))
        return out


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to the memory and feed-forward, each after its own norm (pre-norm)."""

    def __init__(self, d: int, n_heads: int, d_ff: int, dropout: float) -> None:
        super().__init__()
        self.norm_self = nn.LayerNorm(d)
        self.self_attention = Attention(d, d, n_heads)
        self.norm_memory = nn.LayerNorm(d)
        self.memory_attention = Attention(d, d, n_heads)
        self.norm_ff = nn.LayerNorm(d)
        self.ff = FeedForward(d, d_ff)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, past: KeyValues | None, memory: KeyValues, memory_bias: Tensor
    ) -> tuple[Tensor, KeyValues]:
        """x (B, T, D) to the same shape, with the keys and values of all positions so far.

        x is a whole prefix if `past` is None, else the single next position after `past`.
        """
        normed = self.norm_self(x)
        new = self.self_attention.project(normed)
        prefix = new if past is None else past.append(new.keys, new.values)
        x = x + self.dropout(self.self_attention(normed, prefix, causal=past is None))
        x = x + self.dropout(self.memory_attention(self.norm_memory(x), memory, bias=memory_bias))
        return x + self.dropout(self.ff(self.norm_ff(x))), prefix


def sinusoids(n_positions: int, d: int) -> Tensor:
    """Fixed position vectors, (n_positions, d)."""
    frequencies = torch.exp(torch.arange(0, d, 2) * (-math.log(10_000.0) / d))
    angles = torch.arange(n_positions)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
