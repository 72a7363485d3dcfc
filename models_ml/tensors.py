"""Converts plain numbers of spectra and molecules into padded tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_ml.networks.spectrum import SpectrumBatch
from models_ml.spectra.features import SpectrumFeatures
from models_ml.tokenizer import PAD


def pad_tokens(rows: Sequence[Sequence[int] | NDArray[np.uint16]]) -> Tensor:
    """Token rows to (B, T) int64, PAD after each end."""
    padded = np.full((len(rows), max(len(row) for row in rows)), PAD, np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)


def batches_by_length(rows: Sequence[Sized], batch_size: int) -> Iterator[list[int]]:
    """Indices of `rows` in batches, shortest rows first.

    A batch costs as much as its longest row times its size, so rows of similar length belong together.
    """
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def batch_of_features(spectra: Sequence[SpectrumFeatures]) -> SpectrumBatch:
    """B spectra, padded to the largest number of peaks."""
    n_peaks = max(max(len(spectrum.mz) for spectrum in spectra), 1)
    mz, intensity = np.zeros((2, len(spectra), n_peaks), np.float32)
    keep = np.zeros((len(spectra), n_peaks), bool)
    for index, spectrum in enumerate(spectra):
        mz[index, : len(spectrum.mz)] = spectrum.mz
        intensity[index, : len(spectrum.mz)] = spectrum.intensity
        keep[index, : len(spectrum.mz)] = True
    return SpectrumBatch(
        mz=torch.from_numpy(mz),
        intensity=torch.from_numpy(intensity),
        keep=torch.from_numpy(keep),
        precursor_mz=torch.tensor([spectrum.precursor_mz for spectrum in spectra], dtype=torch.float32),
        adduct=torch.tensor([spectrum.adduct for spectrum in spectra]),
        energy=torch.tensor([spectrum.energy for spectrum in spectra], dtype=torch.float32),
        energy_kind=torch.tensor([spectrum.energy_kind for spectrum in spectra]),
    )
