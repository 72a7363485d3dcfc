"""Token features of library molecules by the frozen molecule encoder, each computed once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models_ml.networks.context import NO_CANDIDATE, PackedTokens
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import PAD
from models_ml.training.arrays import MoleculeArrays

READ_BATCH = 256


class TokenReader:
    """Stores the features H^m of every molecule that was read, about 20 kB each."""

    def __init__(self, network: GlmrNetwork, library: MoleculeArrays, device: str) -> None:
        self.network, self.library, self.device = network, library, device
        self.length = library.lengths()[:, 0].clip(max=network.config.max_tokens)
        self.is_stored = np.zeros(len(library), bool)
        self.start = np.zeros(len(library), np.int64)  # first row of each stored molecule in `store`
        self.filled = 0  # rows of `store` in use
        self.store = torch.empty(0, network.config.d_molecule, dtype=torch.float16, device=device)

    def read(self, molecules: NDArray[np.int64]) -> PackedTokens:
        """`molecules` (B, M): library rows, or NO_CANDIDATE."""
        exists = molecules != NO_CANDIDATE
        self._add(np.unique(molecules[exists]))
        length = np.where(exists, self.length[molecules], 0)
        end = length.cumsum(1)
        position = np.arange(end[:, -1].max(initial=0))
        molecule = (position[None, :, None] >= end[:, None, :]).sum(2).clip(max=molecules.shape[1] - 1)
        keep = position < end[:, -1:]
        first = self.start[molecules] - (end - length)
        rows = np.where(keep, np.take_along_axis(first, molecule, 1) + position, 0)
        tokens = self.store[torch.from_numpy(rows).to(self.device)]
        on_device = [torch.from_numpy(part).to(self.device) for part in (molecule, keep)]
        return PackedTokens(tokens, *on_device)

    def _add(self, molecules: NDArray[np.int64]) -> None:
        """Encode the molecules that are not stored yet, short ones first, for little padding."""
        new = molecules[~self.is_stored[molecules]]
        if not len(new):
            return
        new = new[np.argsort(self.length[new], kind="stable")]
        self._grow(self.filled + int(self.length[new].sum()))
        for begin in range(0, len(new), READ_BATCH):
            batch = new[begin : begin + READ_BATCH]
            spellings = [self.library.spelling(row, 0)[: self.length[row]] for row in batch.tolist()]
            tokens = pad_tokens(spellings).to(self.device)
            with torch.no_grad():
                features = self.network.molecule_encoder(tokens)[tokens != PAD].half()
            self.start[batch] = self.filled + np.append(0, self.length[batch].cumsum()[:-1])
            self.is_stored[batch] = True
            self.store[self.filled : self.filled + len(features)] = features
            self.filled += len(features)

    def _grow(self, needed: int) -> None:
        """Make room for `needed` rows, at least twice the present size."""
        if needed > len(self.store):
            larger = self.store.new_zeros(max(needed, 2 * len(self.store)), self.store.shape[1])
            larger[: self.filled] = self.store[: self.filled]
            self.store = larger
