"""Trains the absence classifiers on the ranker's lists, each with its truth and with the truth deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models_ml.ranking.absence import AbsenceClassifier, absence_numbers
from models_ml.ranking.features import ListEvidence, Scores
from models_ml.ranking.model import rank_lists
from models_ml.ranking.ranker import Ranker
from models_ml.training.batches import shuffled_batches
from models_ml.training.ranking.evidence import without_candidate
from models_ml.training.ranking.fit import fit

N_CLASSIFIERS = 3
VIEWS = 4  # of each list, each with other channels dropped
EPOCHS = 12
BATCH = 256
RATE, WEIGHT_DECAY = 2e-3, 0.1


def train_absence_classifiers(
    evidence: Sequence[ListEvidence],
    truths: Sequence[int],
    rankers: Sequence[Ranker],
    unseen_by: NDArray[np.int64],
    drop_channels: Callable[[ListEvidence, np.random.Generator], ListEvidence],
    seed: int,
) -> list[AbsenceClassifier]:
    """`unseen_by`: for each list, the ranker that never saw its compound. Only that one ranks the list."""
    rng = np.random.default_rng(seed)
    views: list[ListEvidence] = []
    ranker_of: list[int] = []
    is_absent: list[bool] = []
    for of_list, truth, ranker in zip(evidence, truths, unseen_by.tolist(), strict=True):
        for number in range(VIEWS):
            view = drop_channels(of_list, rng)
            if of_list.n_candidates > 1:
                views += [view, without_candidate(view, truth)]
                is_absent += [False, True]
                ranker_of += [ranker] * 2
            elif number % 2:
                # Without its truth this list would be empty. Half the views keep the odds even.
                views.append(view)
                is_absent.append(False)
                ranker_of.append(ranker)
    numbers = torch.from_numpy(_numbers(views, np.array(ranker_of), rankers))
    target = torch.tensor(is_absent, dtype=torch.float32)
    return [_train_classifier(numbers, target, seed + number) for number in range(N_CLASSIFIERS)]


def _numbers(
    lists: Sequence[ListEvidence], ranker_of: NDArray[np.int64], rankers: Sequence[Ranker]
) -> NDArray[np.float32]:
    """The classifier's input for each list, ranked by its ranker."""
    rows: list[Scores] = [np.zeros(0, np.float32)] * len(lists)
    for number, ranker in enumerate(rankers):
        of_ranker = np.flatnonzero(ranker_of == number)
        for batch in np.array_split(of_ranker, len(of_ranker) // BATCH + 1):
            ranked = rank_lists([ranker], [lists[index] for index in batch])
            for index, probabilities in zip(batch.tolist(), ranked, strict=True):
                rows[index] = absence_numbers(lists[index], probabilities)
    return np.stack(rows)


def _train_classifier(numbers: Tensor, target: Tensor, seed: int) -> AbsenceClassifier:
    torch.manual_seed(seed)
    classifier = AbsenceClassifier()
    classifier.mean.copy_(numbers.mean(0))
    classifier.spread.copy_(numbers.std(0).clamp(min=1e-3))
    batches = shuffled_batches(len(target), BATCH, np.random.default_rng(seed))

    def loss() -> Tensor:
        rows = torch.from_numpy(next(batches))
        return functional.binary_cross_entropy_with_logits(classifier(numbers[rows]), target[rows])

    steps = EPOCHS * max(len(target) // BATCH, 1)
    fit(classifier, loss, steps=steps, rate=RATE, weight_decay=WEIGHT_DECAY, clip=1.0, name="absence")
    return classifier
