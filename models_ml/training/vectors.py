"""Molecule features of the frozen encoder, made once and kept in a file, and the mass window over them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import pad_tokens
from models_ml.training.arrays import MoleculeArrays
from models_ml.training.precision import autocast

ENCODE_BATCH = 256
PROJECT_BATCH = 16384


def pooled_features(
    network: GlmrNetwork, arrays: MoleculeArrays, *, device: str, cache: Path | None = None
) -> NDArray[np.float16]:
    """What the embedding head reads of each molecule's canonical spelling, (n, 2 Dm).

    Read from `cache` if it is there: the encoder below the head stays frozen after pre-training.
    """
    if cache is not None and cache.exists():
        stored: NDArray[np.float16] = np.load(cache, allow_pickle=False)
        return stored
    network.eval()
    lengths = arrays.lengths()[:, 0]
    order = np.argsort(lengths, kind="stable")
    pooled = np.zeros((len(arrays), 2 * network.config.d_molecule), np.float16)
    max_tokens = network.config.max_tokens
    with torch.inference_mode(), autocast(device):
        for start in tqdm(range(0, len(order), ENCODE_BATCH), "molecule vectors"):
            rows = order[start : start + ENCODE_BATCH]
            tokens = pad_tokens([arrays.spelling(row, 0)[:max_tokens] for row in rows])
            tokens = tokens.to(device)
            encoder = network.molecule_encoder
            pooled[rows] = encoder.pool(encoder(tokens), tokens).half().cpu().numpy()
    if cache is not None:
        # Runs side by side may each make it: none may read the half of another's.
        part = cache.with_suffix(f".{os.getpid()}.npy")
        np.save(part, pooled)
        part.replace(cache)
    return pooled


def molecule_vectors(
    network: GlmrNetwork, pooled: NDArray[np.float16], *, device: str
) -> NDArray[np.float32]:
    """E^m (n, D), unit length, by the present head."""
    vectors: NDArray[np.float32] = project_all(network, torch.from_numpy(pooled), device=device).cpu().numpy()
    return vectors


def project_all(network: GlmrNetwork, pooled: Tensor, *, device: str) -> Tensor:
    """Pooled features (n, 2 Dm), wherever they lie, to E^m (n, D) on the device."""
    parts: list[Tensor] = []
    with torch.inference_mode():
        for some in torch.split(pooled, PROJECT_BATCH):
            parts.append(network.molecule_encoder.project(some.to(device).float()))
    return torch.cat(parts)


@dataclass(frozen=True, slots=True, eq=False)
class MassSorted:
    """Molecules in order of mass, for windows by bisection."""

    order: NDArray[np.int64]  # molecule rows, lightest first
    mass: NDArray[np.float64]  # their masses

    @classmethod
    def of(cls, mass: NDArray[np.float64], without: NDArray[np.int64] | None = None) -> MassSorted:
        """Of all rows, or of those not in `without`."""
        order = np.argsort(mass, kind="stable")
        if without is not None:
            order = order[~np.isin(order, without)]
        return cls(order, mass[order])

    def window(self, mass: float, tolerance_da: float) -> NDArray[np.int64]:
        """Rows of the molecules within the tolerance, ends included."""
        first = np.searchsorted(self.mass, mass - tolerance_da, "left")
        last = np.searchsorted(self.mass, mass + tolerance_da, "right")
        return self.order[first:last]
