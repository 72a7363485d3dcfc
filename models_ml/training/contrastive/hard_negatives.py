"""Negatives that the model itself confuses with a spectrum's molecule."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_ml.training.contrastive.data import ContrastiveData
from models_ml.training.run import StageRun
from models_ml.training.settings import ContrastiveSettings
from models_ml.training.vectors import project_all, table_rows


class HardNegatives:
    """The library molecules most similar to a spectrum, by weights that are some steps old."""

    def __init__(self, data: ContrastiveData, settings: ContrastiveSettings) -> None:
        self.data = data
        self.number = settings.hard_negatives
        self.every = settings.hard_every_steps
        self.vectors = torch.zeros(0)
        self._next = 0

    def refresh(self, run: StageRun) -> None:
        """Embed the library with the present weights if the last time was `hard_every_steps` ago."""
        if not self.number or run.step < self._next:
            return
        self._next = run.step + self.every
        vectors = project_all(run.network, self.data.library_pooled, device=run.device)
        self.vectors = table_rows(vectors, self.data.negatives)

    def nearest(self, spectra: Tensor, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """Library rows (B, number) of the molecules most similar to each spectrum (B, D), without its own."""
        _, indices = (spectra.float() @ self.vectors.T).topk(self.number + 1, dim=1)
        rows = self.data.negatives[indices.cpu().numpy()]
        is_own = rows == own[:, None]
        is_own[~is_own.any(axis=1), -1] = True  # the own molecule is not among them: drop the last
        nearest: NDArray[np.int64] = rows[~is_own].reshape(len(rows), self.number)
        return nearest
