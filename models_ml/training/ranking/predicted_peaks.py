"""Trains the scorer of predicted peaks: first to predict spectra, then to tell candidates apart.

Without the first part the second has too few right answers to learn intensities from. Needs RDKit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from models_ml.evidence.ion_shares import IonBatch
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.training.batches import shuffled_batches
from models_ml.training.ranking.fit import fit
from models_ml.training.ranking.fragmenting import Judged


@dataclass(frozen=True, slots=True)
class PredictedPeaksChoices:
    most_candidates: int = 24  # of a list; larger windows are cut
    likelihood_per_compound: int = 8  # spectra at most
    likelihood_epochs: int = 4
    likelihood_batch: int = 256
    likelihood_rate: float = 4e-3
    epochs: float = 2.5
    batch_lists: int = 32
    rate: float = 3e-3
    likelihood_weight: float = 0.2  # beside telling candidates apart


def fit_scorer(
    truths: Sequence[Judged],
    lists: Sequence[Judged],
    choices: PredictedPeaksChoices,
    seed: int,
    rng: np.random.Generator,
) -> PredictedPeaksScorer:
    """`truths`: lists of one, the right structure of each spectrum."""
    torch.manual_seed(seed)
    scorer = PredictedPeaksScorer()
    spectra = shuffled_batches(len(truths), choices.likelihood_batch, rng)
    questions = shuffled_batches(len(lists), choices.batch_lists, rng)

    def of_spectra() -> Tensor:
        _, likelihood = scorer.judge(_joined([truths[place] for place in next(spectra)]))
        return -likelihood.mean()

    def of_candidates() -> Tensor:
        some = [lists[place] for place in next(questions)]
        scores, likelihood = scorer.judge(_joined(some))
        sizes = [len(one.pairs) for one in some]
        right = torch.tensor([one.truth for one in some])
        own = torch.tensor(np.cumsum(sizes) - sizes) + right
        padded = pad_sequence(list(torch.split(scores, sizes)), batch_first=True, padding_value=-1e4)
        told = functional.cross_entropy(padded, right)
        return told - choices.likelihood_weight * likelihood[own].mean()

    steps = max(choices.likelihood_epochs * len(truths) // choices.likelihood_batch, 1)
    rate = choices.likelihood_rate
    fit(scorer, of_spectra, steps=steps, rate=rate, weight_decay=0.01, clip=1.0, name="peak intensities")
    steps = max(int(choices.epochs * len(lists)) // choices.batch_lists, 1)
    rate = choices.rate
    fit(scorer, of_candidates, steps=steps, rate=rate, weight_decay=0.01, clip=2.0, name="predicted peaks")
    return scorer


def _joined(some: Sequence[Judged]) -> IonBatch:
    return IonBatch.of([one.spectrum for one in some], [one.pairs for one in some])
