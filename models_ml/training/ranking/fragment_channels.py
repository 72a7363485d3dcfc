"""Trains the channels that fragment candidates, and what they say of the ranker's lists. Needs RDKit.

Fragmenting takes longer than learning, so it is done once for all seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from models_ml.evidence.fragment_matches import Explained, FragmentMatches
from models_ml.evidence.ion_shares import IonBatch
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.ranking.features import ListEvidence
from models_ml.training.batches import shuffled_batches
from models_ml.training.generative import spectra_per_compound
from models_ml.training.ranking.evidence import CandidateList, Pools
from models_ml.training.ranking.fit import fit
from models_ml.training.ranking.fragmenting import Fragmenter, Judged, cut_list
from models_ml.training.ranking.predicted_peaks import PredictedPeaksChoices, fit_scorer

MOST_CANDIDATES = 60  # of a list in the fragment scorer's training; larger windows are cut
SCORER_EPOCHS = 3
BATCH_LISTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class FragmentedLists:
    """What every candidate of some lists explains, and which ions it could give."""

    explained: Sequence[Sequence[Explained]]
    judged: Sequence[Judged]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingLists:
    """What the channels of fragments learn from: training lists with a choice, large ones cut."""

    lists: FragmentedLists
    truths: Sequence[int]
    alone: Sequence[Judged]  # training spectra with the right structure alone


def fragment_lists(fragmenter: Fragmenter, lists: Sequence[CandidateList]) -> FragmentedLists:
    """`lists` in the order of mass."""
    explained: list[list[Explained]] = []
    judged: list[Judged] = []
    for one in tqdm(lists, "fragments of the ranker's lists"):
        explained.append(fragmenter.explain(one))
        judged.append(fragmenter.judge(one))
    return FragmentedLists(explained, judged)


def make_lessons(
    fragmenter: Fragmenter, lists: Sequence[CandidateList], rng: np.random.Generator
) -> TrainingLists:
    """`lists` in the order of mass. Holds 2 GB."""
    how = PredictedPeaksChoices()
    explained: list[list[Explained]] = []
    truths: list[int] = []
    judged: list[Judged] = []
    for one in tqdm([one for one in lists if len(one.candidates) > 1], "fragments"):
        shown = cut_list(one, MOST_CANDIDATES, rng)
        explained.append(fragmenter.explain(shown))
        truths.append(shown.truth)
        judged.append(fragmenter.judge(cut_list(shown, how.most_candidates, rng)))
    alone = _alone(fragmenter.pools, lists, how, rng)
    return TrainingLists(
        FragmentedLists(explained, judged),
        truths,
        [fragmenter.judge(one) for one in tqdm(alone, "right structures")],
    )


def _alone(
    pools: Pools, lists: Sequence[CandidateList], choices: PredictedPeaksChoices, rng: np.random.Generator
) -> list[CandidateList]:
    """Spectra of the lists' compounds with the right structure alone, in the order of mass."""
    compounds = np.unique(pools.spectra.compound[[one.spectrum for one in lists]])
    drawn = spectra_per_compound(pools.spectra, choices.likelihood_per_compound, rng)
    drawn = drawn[np.isin(pools.spectra.compound[drawn], compounds)]
    drawn = drawn[np.argsort(pools.spectra.neutral_mass[drawn], kind="stable")]
    own = pools.own[pools.spectra.compound[drawn]]
    return [CandidateList(int(row), own[place : place + 1], 0) for place, row in enumerate(drawn)]


def train_fragment_channels(
    lessons: TrainingLists, seed: int, rng: np.random.Generator
) -> tuple[FragmentScorer, PredictedPeaksScorer]:
    scorer = train_scorer(lessons.lists.explained, lessons.truths, seed, rng)
    return scorer, fit_scorer(lessons.alone, lessons.lists.judged, PredictedPeaksChoices(), seed, rng)


def train_scorer(
    explained: Sequence[Sequence[Explained]], truths: Sequence[int], seed: int, rng: np.random.Generator
) -> FragmentScorer:
    """The truth picked out of each list by what its fragments explain."""
    torch.manual_seed(seed)
    scorer = FragmentScorer()
    batches = shuffled_batches(len(explained), BATCH_LISTS, rng)

    def loss() -> Tensor:
        batch = next(batches)
        scores = scorer(FragmentMatches.of([pair for place in batch for pair in explained[place]]))
        sizes = [len(explained[place]) for place in batch]
        padded = pad_sequence(list(torch.split(scores, sizes)), batch_first=True, padding_value=-1e4)
        return functional.cross_entropy(padded, torch.tensor([truths[place] for place in batch]))

    steps = SCORER_EPOCHS * max(len(explained) // BATCH_LISTS, 1)
    fit(scorer, loss, steps=steps, rate=3e-3, weight_decay=0.01, clip=1.0, name="fragment scorer")
    return scorer


def fragment_evidence(
    evidence: Sequence[ListEvidence],
    fragmented: FragmentedLists,
    scorer: FragmentScorer,
    predicted: PredictedPeaksScorer,
) -> list[ListEvidence]:
    """The channels of fragments added, by the scorers."""
    found: list[ListEvidence] = []
    for said, pairs, one in zip(evidence, fragmented.explained, fragmented.judged, strict=True):
        with torch.inference_mode():
            fragments = scorer(FragmentMatches.of(pairs))
            scores, likelihood = predicted.judge(IonBatch.of([one.spectrum], [one.pairs]))
        found.append(
            replace(
                said,
                fragments=fragments.numpy(),
                unexplained=np.array([pair.unexplained for pair in pairs], np.float32),
                possible=np.array([pair.possible for pair in pairs], np.float32),
                predicted=scores.numpy(),
                likelihood=likelihood.numpy(),
            )
        )
    return found
