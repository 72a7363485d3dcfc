"""The molecule encoder and decoder: a ChemFormer-style BART over SMILES tokens, with an embedding head."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.config import GlmrConfig
from models_ml.networks.attention import DecoderBlock, EncoderBlock, KeyValues, sinusoids
from models_ml.networks.context import Memory
from models_ml.networks.embedding_head import EmbeddingHead
from models_ml.tokenizer import PAD


class TokenEmbedding(nn.Module):
    """Token vectors, scaled by the square root of the width, plus fixed position vectors."""

    positions: Tensor

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary_size, config.d_molecule, padding_idx=PAD)
        nn.init.normal_(self.tokens.weight, std=config.d_molecule**-0.5)
        self.scale = math.sqrt(config.d_molecule)
        self.register_buffer("positions", sinusoids(config.max_tokens, config.d_molecule), persistent=False)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Tokens (B, T) at positions start, start + 1, ... to (B, T, Dm)."""
        vectors: Tensor = self.tokens(tokens) * self.scale
        return vectors + self.positions[start : start + tokens.shape[1]]


class TokenWindow(nn.Module):
    """Adds its neighbours to each token. Starts as the identity.

    Substructures are mostly runs of neighbouring tokens. Attention learns to find neighbours from position
    vectors only after long training; this layer provides them from the start.
    """

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        self.reach = width // 2
        self.inner = nn.Linear(width * d, d)
        self.outer = nn.Linear(d, d)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """x (B, T, Dm), keep (B, T) to (B, T, Dm). Positions beyond the ends and padding count as zeros."""
        n_tokens = x.shape[1]
        padded = functional.pad(x * keep[:, :, None], (0, 0, self.reach, self.reach))
        shifted = [padded[:, start : start + n_tokens] for start in range(2 * self.reach + 1)]
        neighbourhood: Tensor = self.outer(functional.gelu(self.inner(torch.cat(shifted, dim=-1))))
        return x + neighbourhood


class MoleculeEncoder(nn.Module):
    """SMILES tokens to token features H^m and embeddings E^m."""

    def __init__(self, config: GlmrConfig, embedding: TokenEmbedding) -> None:
        super().__init__()
        d = config.d_molecule
        self.embedding = embedding
        self.window = TokenWindow(d, config.token_window) if config.token_window else None
        self.blocks = nn.ModuleList(
            EncoderBlock(d, config.molecule_heads, config.molecule_ff, config.dropout)
            for _ in range(config.molecule_layers)
        )
        self.norm = nn.LayerNorm(d)
        # Position 0 (BOS, the paper's [CLS]) and the mean over tokens. A fingerprint is a sum of local
        # environments: a mean learns it in far fewer steps than one attended position.
        self.head = EmbeddingHead(2 * d, config.embedding_dim, hidden=config.head_hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T), PAD after the end, to H^m (B, T, Dm)."""
        keep = tokens != PAD
        x = self.embedding(tokens)
        if self.window is not None:
            x = self.window(x, keep)
        for block in self.blocks:
            x = block(x, keep)
        out: Tensor = self.norm(x)
        return out

    def embed(self, features: Tensor, tokens: Tensor) -> Tensor:
        """H^m (B, T, Dm) to E^m (B, D), unit length."""
        return self.project(self.pool(features, tokens))

    def pool(self, features: Tensor, tokens: Tensor) -> Tensor:
        """H^m (B, T, Dm) to the input of the head (B, 2 Dm), which is constant while only the head learns."""
        weights = (tokens != PAD).to(features.dtype)[:, :, None]
        mean = (features * weights).sum(1) / weights.sum(1)
        return torch.cat([features[:, 0], mean], dim=-1)

    def project(self, pooled: Tensor) -> Tensor:
        """Pooled features (..., 2 Dm) to E^m (..., D), unit length."""
        embedded: Tensor = self.head(pooled)
        return embedded


@dataclass
class DecoderState:
    """State of the decoder between steps: keys and values of the prefix and of the memory, for each layer."""

    prefix: list[KeyValues | None]
    memory: list[KeyValues]
    memory_bias: Tensor  # (B, S)
    length: int = 0

    def select(self, rows: Tensor) -> DecoderState:
        """The state of `rows` of the batch, in that order, memory included."""
        return DecoderState(
            [None if past is None else past.select(rows) for past in self.prefix],
            [memory.select(rows) for memory in self.memory],
            self.memory_bias.index_select(0, rows),
            self.length,
        )


class MoleculeDecoder(nn.Module):
    """Predicts SMILES token by token from a memory. The output layer shares the weights of the embedding."""

    def __init__(self, config: GlmrConfig, embedding: TokenEmbedding) -> None:
        super().__init__()
        d = config.d_molecule
        self.embedding = embedding
        self.blocks = nn.ModuleList(
            DecoderBlock(d, config.molecule_heads, config.molecule_ff, config.dropout)
            for _ in range(config.molecule_layers)
        )
        self.norm = nn.LayerNorm(d)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary_size))

    def start(self, memory: Memory) -> DecoderState:
        projected = [block.memory_attention.project(memory.tokens) for block in self._blocks()]
        return DecoderState([None] * len(projected), projected, memory.bias)

    def forward(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Tokens (B, T) after `state` to next-token logits (B, T, V). T > 1 only with a fresh state."""
        x = self.embedding(tokens, state.length)
        prefix: list[KeyValues | None] = []
        for block, past, memory in zip(self._blocks(), state.prefix, state.memory, strict=True):
            x, extended = block(x, past, memory, state.memory_bias)
            prefix.append(extended)
        logits = functional.linear(self.norm(x), self.embedding.tokens.weight, self.bias)
        length = state.length + tokens.shape[1]
        return logits, DecoderState(prefix, state.memory, state.memory_bias, length)

    def _blocks(self) -> list[DecoderBlock]:
        return [block for block in self.blocks if isinstance(block, DecoderBlock)]
