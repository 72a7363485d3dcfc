"""Combines spectrum features and candidates into the decoder's memory: the paper's method and ablations.

All kinds have the same feed-forward and output layers, so that they differ only in `mix`.
Symbols: docs/glossary.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models_ml.config import GlmrConfig
from models_ml.networks.attention import Attention, FeedForward


class Fusion(nn.Module):
    """Base class with the shared layers. A subclass implements `mix`, which adds the candidates."""

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        d = config.d_spectrum
        self.candidates = nn.Sequential(
            nn.Linear(config.embedding_dim, d), nn.GELU(), nn.Linear(d, d), nn.LayerNorm(d)
        )
        self.norm_ff = nn.LayerNorm(d)
        self.ff = FeedForward(d, config.spectrum_ff)
        self.out = nn.Sequential(nn.Linear(d, config.d_molecule), nn.LayerNorm(config.d_molecule))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        """H^s (B, T, Ds), its keep (B, T), E^m (B, K, D) and its keep (B, K) to memory (B, S, Dm) and its
        keep (B, S). The memory of a row without candidates depends on its spectrum only.
        """
        x, memory_keep = self.mix(features, keep, self.candidates(candidates), candidate_keep)
        x = x + self.dropout(self.ff(self.norm_ff(x)))
        return self.out(x), memory_keep

    def mix(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Like `forward`, but with candidates projected to (B, K, Ds). To (B, S, Ds) and its keep (B, S)."""
        raise NotImplementedError


class CrossFusion(Fusion):
    """The paper's method: attention with H^s as queries and the candidates' E^m as keys and values."""

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__(config)
        self.norm_query = nn.LayerNorm(config.d_spectrum)
        self.attention = Attention(config.d_spectrum, config.d_spectrum, config.spectrum_heads)

    def mix(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        # A row without candidates would have no key. It keeps one, and the result is multiplied by zero.
        has_candidates = candidate_keep.any(1)
        safe_keep = candidate_keep.clone()
        safe_keep[:, 0] |= ~has_candidates
        attended = self.attention(
            self.norm_query(features), self.attention.project(candidates), keep=safe_keep
        )
        return features + self.dropout(attended) * has_candidates[:, None, None].to(attended.dtype), keep


class AverageFusion(Fusion):
    """Ablation: every spectrum token gets the mean of the candidates. No token chooses among them."""

    def mix(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        weights = candidate_keep[:, :, None].to(candidates.dtype)
        mean = (candidates * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)
        return features + self.dropout(mean), keep


class ConcatFusion(Fusion):
    """Ablation: candidates are further positions of the memory; the decoder's attention chooses."""

    def mix(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        x = torch.cat([features, candidates.to(features.dtype)], dim=1)
        return x, torch.cat([keep, candidate_keep], dim=1)


class NoFusion(Fusion):
    """Ablation: the memory contains no candidates."""

    def mix(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        return features, keep


FUSIONS: dict[str, type[Fusion]] = {
    "cross": CrossFusion,
    "average": AverageFusion,
    "concat": ConcatFusion,
    "none": NoFusion,
}


def make_fusion(config: GlmrConfig) -> Fusion:
    """Raises ValueError if the configuration has an unknown kind of fusion."""
    if config.fusion not in FUSIONS:
        raise ValueError(f"Unknown fusion {config.fusion!r}. Choose one of {', '.join(FUSIONS)}.")
    return FUSIONS[config.fusion](config)
