"""Molecule embeddings of the library: computed where a case reaches, kept in a folder between runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.evaluate.library import Library
from models_ml.inference.checkpoint import GlmrModel

ENCODE_AT_ONCE = 4096


class MoleculeVectors:
    """Embeddings (n, D) float32 of a library by one encoder; a row is zero until `ensure` makes it."""

    def __init__(self, model: GlmrModel, library: Library, cache: Path | None = None) -> None:
        self.model = model
        self.library = library
        self.cache = cache
        self.values = np.zeros((len(library), model.embedding_dim), np.float32)
        self._made = np.zeros(len(library), bool)
        self._file = cache / f"vectors-{encoder_hash(model)}-{library.name}.npz" if cache else None
        if self._file is not None and self._file.exists():
            with np.load(self._file, allow_pickle=False) as stored:
                self.values[stored["keys"]] = stored["values"]
                self._made[stored["keys"]] = True

    def ensure(self, keys: NDArray[np.int64]) -> None:
        """Make the rows of these molecules that are not made yet, and keep them."""
        missing = keys[~self._made[keys]]
        if not len(missing):
            return
        molecules = self.library.molecules
        for start in tqdm(range(0, len(missing), ENCODE_AT_ONCE), "embeddings"):
            some = missing[start : start + ENCODE_AT_ONCE]
            self.values[some] = self.model.embed_molecules([molecules[key].smiles for key in some])
            self._made[some] = True
        if self._file is not None:
            made = np.flatnonzero(self._made)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self._file, keys=made, values=self.values[made])


def encoder_hash(model: GlmrModel) -> str:
    """Tells molecule encoders apart: a model and its blind twin often share one."""
    digest = hashlib.sha256(model.tokenizer_sha256.encode())
    digest.update(str(model.network.config.max_tokens).encode())
    for name, tensor in sorted(model.network.molecule_encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]
