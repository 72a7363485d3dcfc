"""Embeddings of the library's molecules: computed for the candidates of the cases, cached between runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evaluate.library import Library
from models_ml.inference.checkpoint import GlmrModel

BATCH_SIZE = 4096


class MoleculeVectors:
    """Embeddings (n, D) float32 of a library by one encoder. A row is zero until `ensure` computes it."""

    def __init__(self, model: GlmrModel, library: Library, cache: Path | None = None) -> None:
        self.model = model
        self.library = library
        self.cache = cache
        self.values = np.zeros((len(library), model.embedding_dim), np.float32)
        self._is_computed = np.zeros(len(library), bool)
        self._file = cache / f"vectors-{encoder_hash(model)}-{library.name}.npz" if cache else None
        if self._file is not None and self._file.exists():
            with np.load(self._file, allow_pickle=False) as stored:
                self.values[stored["keys"]] = stored["values"]
                self._is_computed[stored["keys"]] = True

    def ensure(self, keys: NDArray[np.int64]) -> None:
        """Compute the missing rows of these molecules, and write them to the cache."""
        missing = keys[~self._is_computed[keys]]
        if not len(missing):
            return
        molecules = self.library.molecules
        for start in tqdm(range(0, len(missing), BATCH_SIZE), "embeddings"):
            batch = missing[start : start + BATCH_SIZE]
            self.values[batch] = self.model.embed_molecules([molecules[key].smiles for key in batch])
            self._is_computed[batch] = True
        if self._file is not None:
            computed = np.flatnonzero(self._is_computed)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self._file, keys=computed, values=self.values[computed])


def encoder_hash(model: GlmrModel) -> str:
    """Identifies the molecule encoder. A model and its blind twin often share it, and then its embeddings."""
    digest = hashlib.sha256(model.tokenizer_sha256.encode())
    digest.update(str(model.network.config.max_tokens).encode())
    for name, tensor in sorted(model.network.molecule_encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]
