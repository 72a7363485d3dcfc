"""The judges of absence: what they read, what they learn, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="judges are networks, and torch is not installed here")

import torch

from models_ml.evidence.analog_votes import N_STRENGTHS, N_VOTES, AnalogVotes
from models_ml.evidence.peak_bins import BinVocabulary
from models_ml.ranking.absence import N_ABSENCE_NUMBERS, absence_numbers
from models_ml.ranking.features import ListEvidence
from models_ml.ranking.model import RankingModel, rank_lists
from models_ml.ranking.ranker import ABSENT_PRIOR, Ranker
from models_ml.training.ranking.absence import train_absence_classifiers
from models_ml.training.ranking.evidence import without_candidate

VOCABULARY = BinVocabulary(tuple(np.zeros(0, np.int64) for _ in range(4)))


def make_list(rng: np.random.Generator, n: int) -> tuple[ListEvidence, int]:
    """Every channel gives the truth more than it gives others, by no fixed amount."""
    truth = int(rng.integers(n))

    def scores() -> np.ndarray:
        made = rng.normal(size=n)
        made[truth] = rng.normal(1.5)
        return made.astype(np.float32)

    votes = np.stack([scores() for _ in range(N_VOTES)], axis=1)
    analogs = AnalogVotes(votes, rng.random(N_STRENGTHS).astype(np.float32))
    return ListEvidence(
        n_candidates=n,
        fingerprint=scores(),
        contrastive=scores(),
        fragments=scores(),
        unexplained=scores(),
        possible=scores(),
        predicted=scores(),
        likelihood=scores(),
        analogs=analogs,
    ), truth


@pytest.fixture(scope="module")
def lists() -> list[tuple[ListEvidence, int]]:
    rng = np.random.default_rng(0)
    return [make_list(rng, int(rng.integers(1, 12))) for _ in range(300)]


@pytest.fixture(scope="module")
def rankers() -> list[Ranker]:
    torch.manual_seed(0)
    return [Ranker().eval() for _ in range(2)]


@pytest.fixture(scope="module")
def model(lists: list[tuple[ListEvidence, int]], rankers: list[Ranker]) -> RankingModel:
    evidence, truths = zip(*lists[:200], strict=True)
    part = np.arange(200) % 2
    judges = train_absence_classifiers(evidence, truths, rankers, part, lambda one, _: one, seed=0)
    return RankingModel(VOCABULARY, [], None, None, rankers, judges)


def test_a_list_that_lost_its_truth_looks_more_absent(
    model: RankingModel, lists: list[tuple[ListEvidence, int]]
) -> None:
    fresh = [(one, truth) for one, truth in lists[200:] if one.n_candidates > 1]
    present = np.array([said[-1] for said in model.probabilities([one for one, _ in fresh])])
    absent = np.array([said[-1] for said in model.probabilities([without_candidate(*one) for one in fresh])])
    assert (absent[:, None] > present).mean() > 0.8
    # At the stated prior most lists hold their molecule.
    assert present.mean() == pytest.approx(ABSENT_PRIOR, abs=0.03)


def test_judges_say_how_likely_and_leave_the_order_alone(
    model: RankingModel, lists: list[tuple[ListEvidence, int]], rankers: list[Ranker]
) -> None:
    some = [one for one, _ in lists[:40]]
    alone = rank_lists(rankers, some)
    for said, ranked in zip(model.probabilities(some), alone, strict=True):
        assert said.sum() == pytest.approx(1)
        assert np.argsort(-said[:-1]).tolist() == np.argsort(-ranked[:-1]).tolist()
        assert said[:-1] / said[:-1].sum() == pytest.approx(ranked[:-1] / ranked[:-1].sum())
    assert replace(model, absence_classifiers=()).probabilities(some)[0] == pytest.approx(alone[0])


def test_a_list_is_judged_alike_alone_and_among_others(
    model: RankingModel, lists: list[tuple[ListEvidence, int]]
) -> None:
    together = model.probabilities([one for one, _ in lists[:40]])
    for (one, _), said in zip(lists[:40], together, strict=True):
        assert model.probabilities([one])[0] == pytest.approx(said, abs=1e-4)


def test_the_order_of_candidates_changes_nothing(lists: list[tuple[ListEvidence, int]]) -> None:
    one = next(one for one, _ in lists if one.n_candidates > 5)
    said = np.append(np.random.default_rng(1).dirichlet(np.ones(one.n_candidates)) * 0.9, 0.1)
    turned = {
        name: getattr(one, name)[::-1]
        for name in ("fingerprint", "contrastive", "fragments", "unexplained", "possible", "predicted")
    }
    assert one.analogs is not None
    assert one.likelihood is not None
    back = replace(
        one,
        **turned,
        likelihood=one.likelihood[::-1],
        analogs=AnalogVotes(one.analogs.votes[::-1], one.analogs.strengths),
    )
    numbers = absence_numbers(one, said)
    assert numbers == pytest.approx(absence_numbers(back, np.append(said[:-1][::-1], 0.1)), abs=1e-6)


@pytest.mark.parametrize("n", [1, 3])
def test_channels_that_say_nothing_leave_numbers_all_the_same(n: int) -> None:
    numbers = absence_numbers(ListEvidence(n), np.append(np.zeros(n), 1.0))
    assert numbers.shape == (N_ABSENCE_NUMBERS,)
    assert np.isfinite(numbers).all()
