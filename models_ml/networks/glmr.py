"""GLMR whole: spectrum encoder, molecule encoder, cross-fusion and decoder in one module."""

from __future__ import annotations

from torch import Tensor, nn

from models_ml.config import GlmrConfig
from models_ml.networks.attention import Attention, FeedForward
from models_ml.networks.molecule import MoleculeDecoder, MoleculeEncoder, TokenEmbedding
from models_ml.networks.spectrum import SpectrumBatch, SpectrumEncoder


class CrossFusion(nn.Module):
    """Spectrum tokens ask, candidate molecules answer: Q = H^s, K and V = the candidates' E^m.

    The result is the decoder's memory. With no candidate at all the spectrum stands alone.
    """

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        d = config.d_spectrum
        self.candidates = nn.Sequential(
            nn.Linear(config.embedding_dim, d), nn.GELU(), nn.Linear(d, d), nn.LayerNorm(d)
        )
        self.norm_query = nn.LayerNorm(d)
        self.attention = Attention(d, d, config.spectrum_heads)
        self.norm_ff = nn.LayerNorm(d)
        self.ff = FeedForward(d, config.spectrum_ff)
        self.out = nn.Sequential(nn.Linear(d, config.d_molecule), nn.LayerNorm(config.d_molecule))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: Tensor, candidates: Tensor, candidate_keep: Tensor) -> Tensor:
        """H^s (B, T, Ds), candidates (B, K, embedding_dim), keep (B, K) to memory (B, T, Dm)."""
        keys = self.candidates(candidates)
        # A row with no candidate would have no key to attend to: it keeps one, and its answer is dropped.
        some = candidate_keep.any(1)
        safe_keep = candidate_keep.clone()
        safe_keep[:, 0] |= ~some
        answer = self.attention(self.norm_query(features), self.attention.project(keys), keep=safe_keep)
        x = features + self.dropout(answer) * some[:, None, None].to(answer.dtype)
        x = x + self.dropout(self.ff(self.norm_ff(x)))
        memory: Tensor = self.out(x)
        return memory


class GlmrNetwork(nn.Module):
    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        self.config = config
        embedding = TokenEmbedding(config)
        self.molecule_encoder = MoleculeEncoder(config, embedding)
        # The decoder has token vectors of its own: it goes on learning while the encoder is frozen.
        self.decoder = MoleculeDecoder(config, TokenEmbedding(config))
        self.spectrum_encoder = SpectrumEncoder(config)
        self.fusion = CrossFusion(config)

    def embed_molecules(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) to E^m (B, embedding_dim), unit length."""
        return self.molecule_encoder.embed(self.molecule_encoder(tokens), tokens)

    def embed_spectra(self, batch: SpectrumBatch) -> Tensor:
        """To E^s (B, embedding_dim), unit length."""
        features, keep = self.spectrum_encoder(batch)
        return self.spectrum_encoder.embed(features, keep)
