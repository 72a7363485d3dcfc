"""Trains the judges of absence on the ranker's lists, each with its truth and with the truth deleted."""

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

N_JUDGES = 3
VIEWS = 4  # of each list: which channels it lacks is drawn anew for each
EPOCHS = 12
BATCH = 256
RATE, WEIGHT_DECAY = 2e-3, 0.1


def train_judges(
    evidence: Sequence[ListEvidence],
    truths: Sequence[int],
    rankers: Sequence[Ranker],
    part: NDArray[np.int64],
    thinned: Callable[[ListEvidence, np.random.Generator], ListEvidence],
    seed: int,
) -> list[AbsenceClassifier]:
    """`part`: the ranker that never saw each list's compound. It alone says how that list ranks."""
    rng = np.random.default_rng(seed)
    shown: list[ListEvidence] = []
    ranker_of: list[int] = []
    is_absent: list[bool] = []
    for one, truth, number in zip(evidence, truths, part.tolist(), strict=True):
        for view in range(VIEWS):
            seen = thinned(one, rng)
            if one.n_candidates > 1:
                shown += [seen, without_candidate(seen, truth)]
                is_absent += [False, True]
                ranker_of += [number] * 2
            elif view % 2:
                # Without its truth nothing is left to ask about: half as often, so that the odds stay even.
                shown.append(seen)
                is_absent.append(False)
                ranker_of.append(number)
    numbers = torch.from_numpy(_numbers(shown, np.array(ranker_of), rankers))
    target = torch.tensor(is_absent, dtype=torch.float32)
    return [_train_judge(numbers, target, seed + number) for number in range(N_JUDGES)]


def _numbers(
    lists: Sequence[ListEvidence], ranker_of: NDArray[np.int64], rankers: Sequence[Ranker]
) -> NDArray[np.float32]:
    rows: list[Scores] = [np.zeros(0, np.float32)] * len(lists)
    for number, ranker in enumerate(rankers):
        places = np.flatnonzero(ranker_of == number)
        for some in np.array_split(places, len(places) // BATCH + 1):
            said = rank_lists([ranker], [lists[place] for place in some])
            for place, probabilities in zip(some.tolist(), said, strict=True):
                rows[place] = absence_numbers(lists[place], probabilities)
    return np.stack(rows)


def _train_judge(numbers: Tensor, target: Tensor, seed: int) -> AbsenceClassifier:
    torch.manual_seed(seed)
    judge = AbsenceClassifier()
    judge.mean.copy_(numbers.mean(0))
    judge.spread.copy_(numbers.std(0).clamp(min=1e-3))
    batches = shuffled_batches(len(target), BATCH, np.random.default_rng(seed))

    def loss() -> Tensor:
        rows = torch.from_numpy(next(batches))
        return functional.binary_cross_entropy_with_logits(judge(numbers[rows]), target[rows])

    steps = EPOCHS * max(len(target) // BATCH, 1)
    fit(judge, loss, steps=steps, rate=RATE, weight_decay=WEIGHT_DECAY, clip=1.0, name="absence")
    return judge
