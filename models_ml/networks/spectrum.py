"""The spectrum encoder: a transformer over peaks, precursor, adduct and collision energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models_ml.config import GlmrConfig
from models_ml.networks.attention import EncoderBlock
from models_ml.networks.embedding_head import EmbeddingHead

N_ADDUCTS = 16  # rows of the adduct table; models_ml.spectra.features assigns them
N_ENERGY_KINDS = 4  # not stated, eV, percent, a bare number
N_METADATA_TOKENS = 3  # precursor, adduct, collision energy
BIN_WIDTH_DA = 0.1
SHORTEST_WAVE_DA = 0.02  # a tenth of a wave is about 10 ppm at m/z 200
LONGEST_WAVE_DA = 2000.0


@dataclass
class SpectrumBatch:
    """B spectra of at most N peaks. Padding peaks have `keep` False and may have any value."""

    mz: Tensor  # (B, N) float32
    intensity: Tensor  # (B, N) float32, relative to the base peak, in (0, 1]
    keep: Tensor  # (B, N) bool
    precursor_mz: Tensor  # (B,) float32
    adduct: Tensor  # (B,) int64, row of the adduct table
    energy: Tensor  # (B,) float32, the stated number / 100
    energy_kind: Tensor  # (B,) int64

    def to(self, device: torch.device | str) -> SpectrumBatch:
        return SpectrumBatch(
            self.mz.to(device),
            self.intensity.to(device),
            self.keep.to(device),
            self.precursor_mz.to(device),
            self.adduct.to(device),
            self.energy.to(device),
            self.energy_kind.to(device),
        )


class MassFeatures(nn.Module):
    """A mass in Da as sines and cosines of waves from 0.02 to 2000 Da, and optionally a vector of its bin."""

    waves: Tensor

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        steps = torch.linspace(0, 1, config.fourier_features // 2)
        waves = SHORTEST_WAVE_DA * (LONGEST_WAVE_DA / SHORTEST_WAVE_DA) ** steps
        self.register_buffer("waves", 2 * math.pi / waves, persistent=False)
        self.bins = config.mz_bins
        if self.bins:
            self.table = nn.Embedding(self.bins, config.d_spectrum)
            nn.init.normal_(self.table.weight, std=0.02)
        self.mix = nn.Linear(config.fourier_features, config.d_spectrum)

    def forward(self, mass: Tensor) -> Tensor:
        """Masses (...) in Da to (..., Ds)."""
        angles = mass[..., None] * self.waves
        features: Tensor = self.mix(torch.cat([angles.sin(), angles.cos()], dim=-1))
        if self.bins:
            bins = (mass / BIN_WIDTH_DA).long().clamp(0, self.bins - 1)
            features = features + self.table(bins)
        return features


class SpectrumEncoder(nn.Module):
    """Spectra to token features H^s and embeddings E^s."""

    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        d = config.d_spectrum
        self.blind = config.spectrum_blind
        self.mz = MassFeatures(config)
        self.loss = MassFeatures(config)  # neutral loss: precursor m/z minus m/z
        self.intensity = nn.Linear(2, d)
        self.token_mlp = nn.Sequential(nn.GELU(), nn.Linear(d, d))
        self.adduct = nn.Embedding(N_ADDUCTS, d)
        self.energy_kind = nn.Embedding(N_ENERGY_KINDS, d)
        self.energy = nn.Linear(1, d)
        self.blocks = nn.ModuleList(
            EncoderBlock(d, config.spectrum_heads, config.spectrum_ff, config.dropout)
            for _ in range(config.spectrum_layers)
        )
        self.norm = nn.LayerNorm(d)
        self.head = EmbeddingHead(d, config.embedding_dim, hidden=config.head_hidden, n_hidden_in=2 * d)

    def forward(self, batch: SpectrumBatch) -> tuple[Tensor, Tensor]:
        """To H^s (B, 3 + N, Ds) and its keep mask (B, 3 + N). The three metadata tokens come first.

        A blind encoder has only the metadata tokens: (B, 3, Ds) and (B, 3).
        """
        x = self._metadata(batch)
        keep = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        if not self.blind:
            peaks = self._peaks(batch)
            x = torch.cat([x.to(peaks.dtype), peaks], dim=1)
            keep = torch.cat([keep, batch.keep], dim=1)
        for block in self.blocks:
            x = block(x, keep)
        return self.norm(x), keep

    def _metadata(self, batch: SpectrumBatch) -> Tensor:
        """Tokens of precursor, adduct and collision energy, (B, 3, Ds)."""
        energy = self.energy_kind(batch.energy_kind) + self.energy(batch.energy[:, None])
        return torch.stack([self.mz(batch.precursor_mz), self.adduct(batch.adduct), energy], dim=1)

    def _peaks(self, batch: SpectrumBatch) -> Tensor:
        """One token for each peak, (B, N, Ds), from its m/z, neutral loss and intensity."""
        loss = batch.precursor_mz[:, None] - batch.mz
        intensity = torch.stack([batch.intensity, batch.intensity.sqrt()], dim=-1)
        tokens: Tensor = self.token_mlp(self.mz(batch.mz) + self.loss(loss) + self.intensity(intensity))
        return tokens

    def embed(self, features: Tensor, keep: Tensor) -> Tensor:
        """H^s (B, T, Ds) to E^s (B, D), unit length."""
        weights = keep.to(features.dtype)[:, :, None]
        mean = (features * weights).sum(1) / weights.sum(1)
        # The hidden layer also reads the precursor token: the mean over all peaks dilutes it.
        embedded: Tensor = self.head(mean, torch.cat([mean, features[:, 0]], dim=-1))
        return embedded
