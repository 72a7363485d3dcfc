"""The absence classifiers: their input, what they learn, and that they keep the order of candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

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
    """A list in which every channel tends to give the truth a larger value than the others."""
    truth = int(rng.integers(n))

    def scores() -> np.ndarray:
        values = rng.normal(size=n)
        values[truth] = rng.normal(1.5)
        return values.astype(np.float32)

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
    unseen_by = np.arange(200) % 2
    classifiers = train_absence_classifiers(evidence, truths, rankers, unseen_by, keep_all_channels, seed=0)
    return RankingModel(VOCABULARY, [], None, None, rankers, classifiers)


def keep_all_channels(evidence: ListEvidence, _: np.random.Generator) -> ListEvidence:
    return evidence


def test_a_list_without_its_truth_gets_a_higher_probability_of_absence(
    model: RankingModel, lists: list[tuple[ListEvidence, int]]
) -> None:
    unseen = [(evidence, truth) for evidence, truth in lists[200:] if evidence.n_candidates > 1]
    complete = [evidence for evidence, _ in unseen]
    deleted = [without_candidate(evidence, truth) for evidence, truth in unseen]
    present = np.array([probabilities[-1] for probabilities in model.probabilities(complete)])
    absent = np.array([probabilities[-1] for probabilities in model.probabilities(deleted)])
    assert (absent[:, None] > present).mean() > 0.8
    # At the stated prior, most lists contain their molecule.
    assert present.mean() == pytest.approx(ABSENT_PRIOR, abs=0.03)


def test_classifiers_set_the_probability_of_absence_and_keep_the_order(
    model: RankingModel, lists: list[tuple[ListEvidence, int]], rankers: list[Ranker]
) -> None:
    evidence = [evidence for evidence, _ in lists[:40]]
    ranked = rank_lists(rankers, evidence)
    for probabilities, by_rankers in zip(model.probabilities(evidence), ranked, strict=True):
        assert probabilities.sum() == pytest.approx(1)
        assert np.argsort(-probabilities[:-1]).tolist() == np.argsort(-by_rankers[:-1]).tolist()
        among_candidates = by_rankers[:-1] / by_rankers[:-1].sum()
        assert probabilities[:-1] / probabilities[:-1].sum() == pytest.approx(among_candidates)
    without_classifiers = replace(model, absence_classifiers=())
    assert without_classifiers.probabilities(evidence)[0] == pytest.approx(ranked[0])


def test_a_batch_gives_the_same_as_its_lists_alone(
    model: RankingModel, lists: list[tuple[ListEvidence, int]]
) -> None:
    batch = model.probabilities([evidence for evidence, _ in lists[:40]])
    for (evidence, _), probabilities in zip(lists[:40], batch, strict=True):
        assert model.probabilities([evidence])[0] == pytest.approx(probabilities, abs=1e-4)


def test_the_order_of_candidates_does_not_matter(lists: list[tuple[ListEvidence, int]]) -> None:
    evidence = next(evidence for evidence, _ in lists if evidence.n_candidates > 5)
    of_candidates = np.random.default_rng(1).dirichlet(np.ones(evidence.n_candidates)) * 0.9
    channels = (
        "fingerprint", "contrastive", "fragments", "unexplained", "possible", "predicted", "likelihood"
    )  # fmt: skip
    assert evidence.analogs is not None
    analogs = AnalogVotes(evidence.analogs.votes[::-1], evidence.analogs.strengths)
    reversed_channels = {name: getattr(evidence, name)[::-1] for name in channels}
    reversed_evidence = replace(evidence, **reversed_channels, analogs=analogs)
    numbers = absence_numbers(evidence, np.append(of_candidates, 0.1))
    reversed_numbers = absence_numbers(reversed_evidence, np.append(of_candidates[::-1], 0.1))
    assert numbers == pytest.approx(reversed_numbers, abs=1e-6)


@pytest.mark.parametrize("n", [1, 3])
def test_missing_channels_give_finite_numbers(n: int) -> None:
    numbers = absence_numbers(ListEvidence(n), np.append(np.zeros(n), 1.0))
    assert numbers.shape == (N_ABSENCE_NUMBERS,)
    assert np.isfinite(numbers).all()
