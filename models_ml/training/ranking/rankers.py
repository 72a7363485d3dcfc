"""Trains the rankers on candidate lists with the values of all channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models_ml.ranking.features import ListEvidence, ranker_numbers
from models_ml.ranking.ranker import ABSENT_PRIOR, Ranker, odds, pad_lists
from models_ml.training.batches import shuffled_batches
from models_ml.training.ranking.evidence import drop_channels, without_candidate
from models_ml.training.ranking.fit import fit
from models_ml.training.settings import RankingSettings

TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(3.0), 73)).tolist()

T = TypeVar("T")


def ranker_without(compounds: NDArray[np.int64], n_rankers: int, seed: int) -> NDArray[np.int64]:
    """For each list, the ranker that does not learn on it. Lists of one compound have the same ranker."""
    names, number_of = np.unique(compounds, return_inverse=True)
    ranker: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(names))[number_of] % n_rankers
    return ranker


def train_rankers(
    evidence: Sequence[ListEvidence],
    truths: Sequence[int],
    unseen_by: NDArray[np.int64],
    settings: RankingSettings,
    seed: int,
) -> list[Ranker]:
    """Each ranker learns on all lists but those in `unseen_by`, which then set its temperature."""
    rankers: list[Ranker] = []
    for number in range(settings.n_rankers):
        learn = np.flatnonzero(unseen_by != number).tolist()
        unseen = np.flatnonzero(unseen_by == number).tolist()
        ranker = train_ranker(_pick(evidence, learn), _pick(truths, learn), settings, seed + number)
        set_temperature(ranker, _pick(evidence, unseen), _pick(truths, unseen), settings, seed)
        rankers.append(ranker)
    return rankers


def train_ranker(
    evidence: Sequence[ListEvidence], truths: Sequence[int], settings: RankingSettings, seed: int
) -> Ranker:
    """Some lists lose a channel and some their truth, so that the ranker knows these situations."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    ranker = Ranker()
    batches = shuffled_batches(len(evidence), settings.batch_lists, rng)

    def view(index: int) -> tuple[ListEvidence, int | None]:
        """The list with its truth, None if that was deleted."""
        of_list, truth = drop_channels(evidence[index], settings, rng), truths[index]
        if of_list.n_candidates > 1 and rng.random() < settings.truth_deleted:
            return without_candidate(of_list, truth), None
        return of_list, truth

    def loss() -> Tensor:
        views = [view(int(index)) for index in next(batches)]
        numbers, list_numbers, keep = pad_lists([ranker_numbers(of_list) for of_list, _ in views])
        none_column = numbers.shape[1]  # the column of "none of these"
        targets = torch.tensor([none_column if truth is None else truth for _, truth in views])
        return functional.nll_loss(ranker(numbers, list_numbers, keep), targets)

    steps = settings.ranker_epochs * max(len(evidence) // settings.batch_lists, 1)
    fit(ranker, loss, steps=steps, rate=3e-3, weight_decay=0.02, clip=1.0, name="ranker")
    ranker.shift_none(float(np.log(odds(ABSENT_PRIOR) / odds(settings.truth_deleted))))
    return ranker


def set_temperature(
    ranker: Ranker,
    evidence: Sequence[ListEvidence],
    truths: Sequence[int],
    settings: RankingSettings,
    seed: int,
) -> None:
    """Set the temperature with the highest likelihood of the truths, on lists that the ranker never saw."""
    rng = np.random.default_rng(seed)
    views = [drop_channels(of_list, settings, rng) for of_list in evidence]
    numbers, list_numbers, keep = pad_lists([ranker_numbers(view) for view in views])
    with torch.inference_mode():
        log_p = ranker(numbers, list_numbers, keep)
        losses = [
            float(functional.nll_loss(functional.log_softmax(log_p / t, dim=1), torch.tensor(truths)))
            for t in TEMPERATURES
        ]
    ranker.temperature.fill_(TEMPERATURES[int(np.argmin(losses))])


def _pick(items: Sequence[T], indices: Sequence[int]) -> list[T]:
    return [items[index] for index in indices]
