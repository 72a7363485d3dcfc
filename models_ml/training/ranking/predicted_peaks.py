"""Trains the scorer of predicted peaks: first to predict spectra, then to separate candidates.

Without the first part, the second has too few right candidates to learn intensities from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from models_ml.evidence.ion_shares import IonBatch
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.training.batches import shuffled_batches
from models_ml.training.ranking.fit import fit
from models_ml.training.ranking.fragmenting import ListIons
from models_ml.training.settings import PredictedPeaksSettings


def fit_scorer(
    true_structures: Sequence[ListIons],
    lists: Sequence[ListIons],
    settings: PredictedPeaksSettings,
    seed: int,
    rng: np.random.Generator,
) -> PredictedPeaksScorer:
    """`true_structures`: spectra with the right structure only. `lists`: spectra with several candidates."""
    torch.manual_seed(seed)
    scorer = PredictedPeaksScorer()
    spectrum_batches = shuffled_batches(len(true_structures), settings.likelihood_batch, rng)
    list_batches = shuffled_batches(len(lists), settings.batch_lists, rng)

    def spectrum_loss() -> Tensor:
        _, likelihood = scorer(_joined([true_structures[index] for index in next(spectrum_batches)]))
        loss: Tensor = -likelihood.mean()
        return loss

    def candidate_loss() -> Tensor:
        batch = [lists[index] for index in next(list_batches)]
        scores, likelihood = scorer(_joined(batch))
        sizes = [len(ions.pairs) for ions in batch]
        truth = torch.tensor([ions.truth for ions in batch])
        own = torch.tensor(np.cumsum(sizes) - sizes) + truth
        padded = pad_sequence(list(torch.split(scores, sizes)), batch_first=True, padding_value=-1e4)
        loss = functional.cross_entropy(padded, truth)
        weighted: Tensor = settings.likelihood_weight * likelihood[own].mean()
        return loss - weighted

    steps = max(settings.likelihood_epochs * len(true_structures) // settings.likelihood_batch, 1)
    rate = settings.likelihood_rate
    fit(scorer, spectrum_loss, steps=steps, rate=rate, weight_decay=0.01, clip=1.0, name="peak intensities")
    steps = max(int(settings.epochs * len(lists)) // settings.batch_lists, 1)
    rate = settings.rate
    fit(scorer, candidate_loss, steps=steps, rate=rate, weight_decay=0.01, clip=2.0, name="predicted peaks")
    return scorer


def _joined(batch: Sequence[ListIons]) -> IonBatch:
    return IonBatch.of([ions.spectrum for ions in batch], [ions.pairs for ions in batch])
