"""Changes training spectra at random. Knows no loss."""

from __future__ import annotations

from dataclasses import replace

import torch

from models_ml.networks.spectrum import SpectrumBatch
from models_ml.training.settings import SpectrumStageSettings


def augment(batch: SpectrumBatch, settings: SpectrumStageSettings) -> SpectrumBatch:
    """Drop peaks, shift m/z slightly, scale intensities. The base peak always stays."""
    noise = torch.randn_like(batch.mz)
    mz = batch.mz * (1 + noise * settings.mz_jitter_ppm * 1e-6)
    scale = 1 + settings.intensity_noise * (2 * torch.rand_like(batch.mz) - 1)
    intensity = (batch.intensity * scale).clamp(max=1.0)
    stays = (torch.rand_like(batch.mz) >= settings.peak_dropout) | (batch.intensity >= 1.0)
    return replace(batch, mz=mz, intensity=intensity, keep=batch.keep & stays)


def perturb(batch: SpectrumBatch) -> SpectrumBatch:
    """The same peaks with random intensities: the negative of the mol2ms loss."""
    intensity = torch.rand_like(batch.intensity).clamp(min=1e-3) * batch.keep
    return replace(batch, intensity=intensity / intensity.amax(1, keepdim=True).clamp(min=1e-3))
