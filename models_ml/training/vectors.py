"""Vectors of molecules and spectra by the present networks. Symbols as in docs/glossary.md."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import pad_tokens
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.batches import spectrum_batch
from models_ml.training.precision import autocast

MOLECULE_BATCH = 256
SPECTRUM_BATCH = 128
PROJECT_BATCH = 16384


def pooled_features(
    network: GlmrNetwork, arrays: MoleculeArrays, *, device: str, cache: Path | None = None
) -> NDArray[np.float16]:
    """What the embedding head reads of each molecule's canonical spelling, (n, 2 Dm).

    Read from `cache` if the file exists: the encoder below the head is frozen after pre-training.
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
        for start in tqdm(range(0, len(order), MOLECULE_BATCH), "molecule vectors"):
            rows = order[start : start + MOLECULE_BATCH]
            tokens = pad_tokens([arrays.spelling(row, 0)[:max_tokens] for row in rows])
            tokens = tokens.to(device)
            encoder = network.molecule_encoder
            pooled[rows] = encoder.pool(encoder(tokens), tokens).half().cpu().numpy()
    if cache is not None:
        # Parallel runs may each write the file. None of them may read an unfinished one.
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
    """Pooled features (n, 2 Dm) on any device to E^m (n, D) on `device`."""
    parts: list[Tensor] = []
    with torch.inference_mode():
        for part in torch.split(pooled, PROJECT_BATCH):
            parts.append(network.molecule_encoder.project(part.to(device).float()))
    return torch.cat(parts)


def embed_spectrum_rows(
    network: GlmrNetwork, spectra: SpectrumArrays, rows: NDArray[np.int64], device: str
) -> NDArray[np.float32]:
    """E^s (len(rows), D) in the order of `rows`."""
    n_peaks = spectra.offsets[rows + 1] - spectra.offsets[rows]
    order = np.argsort(n_peaks, kind="stable")
    vectors = np.zeros((len(rows), network.config.embedding_dim), np.float32)
    network.eval()
    with torch.inference_mode(), autocast(device):
        for start in range(0, len(rows), SPECTRUM_BATCH):
            indices = order[start : start + SPECTRUM_BATCH]
            batch = spectrum_batch(spectra, rows[indices]).to(device)
            vectors[indices] = network.embed_spectra(batch).float().cpu().numpy()
    return vectors


def table_rows(table: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """`table` (n, D) and `rows` (...) to (..., D) float32."""
    return table[torch.from_numpy(rows).to(table.device)].float()
