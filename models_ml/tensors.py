"""Plain numbers of spectra and molecules as padded tensors."""

from __future__ import annotations

from collections.abc import Sequence

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
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return torch.from_numpy(padded)


def batch_of_features(features: Sequence[SpectrumFeatures]) -> SpectrumBatch:
    """B spectra padded to the one with most peaks."""
    n_peaks = max(max(len(one.mz) for one in features), 1)
    padded = np.zeros((2, len(features), n_peaks), np.float32)
    keep = np.zeros((len(features), n_peaks), bool)
    for place, one in enumerate(features):
        padded[0, place, : len(one.mz)] = one.mz
        padded[1, place, : len(one.mz)] = one.intensity
        keep[place, : len(one.mz)] = True
    return SpectrumBatch(
        mz=torch.from_numpy(padded[0]),
        intensity=torch.from_numpy(padded[1]),
        keep=torch.from_numpy(keep),
        precursor_mz=torch.tensor([one.precursor_mz for one in features], dtype=torch.float32),
        adduct=torch.tensor([one.adduct for one in features]),
        energy=torch.tensor([one.energy for one in features], dtype=torch.float32),
        energy_kind=torch.tensor([one.energy_kind for one in features]),
    )
