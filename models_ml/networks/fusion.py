"""How the decoder's memory is made of spectrum features and candidates: the paper's way, and ablations of it.

Every kind has the same feed-forward and output layers, so that two kinds differ only in how they mix.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models_ml.config import GlmrConfig
from models_ml.networks.attention import Attention, FeedForward


class Fusion(nn.Module):
    """The interface, and what all kinds share. A subclass says in `mix` how candidates come in."""

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
        """H^s (B, T, Ds), its keep (B, T), candidates (B, K, embedding_dim), their keep (B, K) to
        memory (B, S, Dm) and its keep (B, S). A row without any candidate stands on its spectrum alone.
        """
        x, memory_keep = self.mix(features, keep, self.candidates(candidates), candidate_keep)
        x = x + self.dropout(self.ff(self.norm_ff(x)))
        return self.out(x), memory_keep

    def mix(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, with candidates projected to (B, K, Ds), to (B, S, Ds) and its keep (B, S)."""
        raise NotImplementedError


class CrossFusion(Fusion):
    """The paper's: spectrum tokens ask, candidates answer. Q = H^s, K and V = the candidates' E^m."""

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__(config)
        self.norm_query = nn.LayerNorm(config.d_spectrum)
        self.attention = Attention(config.d_spectrum, config.d_spectrum, config.spectrum_heads)

    def mix(
        self, features: Tensor, keep: Tensor, candidates: Tensor, candidate_keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        # A row with no candidate would have no key to attend to: it keeps one, and its answer is dropped.
        some = candidate_keep.any(1)
        safe_keep = candidate_keep.clone()
        safe_keep[:, 0] |= ~some
        answer = self.attention(self.norm_query(features), self.attention.project(candidates), keep=safe_keep)
        return features + self.dropout(answer) * some[:, None, None].to(answer.dtype), keep


class AverageFusion(Fusion):
    """Ablation: every spectrum token gets the candidates' mean; no token chooses among them."""

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
    """Ablation: candidates are never seen; the method without its pre-retrieval context."""

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
    """Raises ValueError if the configuration names no kind of fusion that there is."""
    if config.fusion not in FUSIONS:
        raise ValueError(f"No fusion named {config.fusion!r}; there are {', '.join(FUSIONS)}.")
    return FUSIONS[config.fusion](config)
