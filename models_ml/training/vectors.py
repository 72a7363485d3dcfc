"""Molecule embeddings of the frozen encoder, made once and kept in a file, and the mass window over them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import pad_tokens
from models_ml.training.arrays import MoleculeArrays

ENCODE_BATCH = 256


def molecule_vectors(
    network: GlmrNetwork, arrays: MoleculeArrays, *, device: str, cache: Path | None = None
) -> NDArray[np.float32]:
    """E^m of each molecule's canonical spelling, (n, D) unit length. Read from `cache` if it is there."""
    if cache is not None and cache.exists():
        stored: NDArray[np.float32] = np.load(cache, allow_pickle=False).astype(np.float32)
        return stored
    network.eval()
    lengths = arrays.lengths()[:, 0]
    order = np.argsort(lengths, kind="stable")
    vectors = np.zeros((len(arrays), network.config.embedding_dim), np.float32)
    max_tokens = network.config.max_tokens
    with torch.inference_mode(), torch.autocast(device.split(":")[0], dtype=torch.bfloat16):
        for start in tqdm(range(0, len(order), ENCODE_BATCH), "molecule vectors"):
            rows = order[start : start + ENCODE_BATCH]
            tokens = pad_tokens([arrays.spelling(row, 0)[:max_tokens] for row in rows])
            vectors[rows] = network.embed_molecules(tokens.to(device)).float().cpu().numpy()
    if cache is not None:
        np.save(cache, vectors.astype(np.float16))
    return vectors


@dataclass(frozen=True, slots=True, eq=False)
class MassSorted:
    """Molecules in order of mass, for windows by bisection."""

    order: NDArray[np.int64]  # molecule rows, lightest first
    mass: NDArray[np.float64]  # their masses

    @classmethod
    def of(cls, mass: NDArray[np.float64]) -> MassSorted:
        order = np.argsort(mass, kind="stable")
        return cls(order, mass[order])

    def window(self, mass: float, tolerance_da: float) -> NDArray[np.int64]:
        """Rows of the molecules within the tolerance, ends included."""
        first = np.searchsorted(self.mass, mass - tolerance_da, "left")
        last = np.searchsorted(self.mass, mass + tolerance_da, "right")
        return self.order[first:last]
