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

from models_ml.evidence.fragment_matches import Explained, FragmentMatches
from models_ml.evidence.ion_shares import IonBatch
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.ranking.features import ListEvidence
from models_ml.training.batches import shuffled_batches
from models_ml.training.fit import fit
from models_ml.training.predicted_peaks import (
    Judged,
    PredictedPeaksChoices,
    fit_scorer,
    judged_lists,
    material,
)
from models_ml.training.ranking_evidence import CandidateList, Pools, explain_lists

MOST_CANDIDATES = 60  # of a list in the fragment scorer's training; larger windows are cut
SCORER_EPOCHS = 3
BATCH_LISTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Fragmented:
    """Candidates of training lists and of the ranker's lists, fragmented."""

    explained: Sequence[Sequence[Explained]]  # of training lists with a choice
    truths: Sequence[int]
    alone: Sequence[Judged]  # training spectra with the right structure alone
    judged: Sequence[Judged]  # training lists, large ones cut
    held_explained: Sequence[Sequence[Explained]]  # of the ranker's lists, in their order
    held_judged: Sequence[Judged]


def fragment_all(
    pools: Pools, lists: Sequence[CandidateList], held: Sequence[CandidateList], rng: np.random.Generator
) -> Fragmented:
    """`lists` to train on, `held` for the ranker, both in the order of mass."""
    some = [one for one in lists if len(one.candidates) > 1 and one.truth < MOST_CANDIDATES]
    alone, judged = material(pools, lists, PredictedPeaksChoices(), rng)
    return Fragmented(
        explained=[pairs[:MOST_CANDIDATES] for pairs in explain_lists(pools, some)],
        truths=[one.truth for one in some],
        alone=alone,
        judged=judged,
        held_explained=explain_lists(pools, held),
        held_judged=judged_lists(pools, held),
    )


def train_fragment_channels(
    material: Fragmented, seed: int, rng: np.random.Generator
) -> tuple[FragmentScorer, PredictedPeaksScorer]:
    scorer = train_scorer(material.explained, material.truths, seed, rng)
    return scorer, fit_scorer(material.alone, material.judged, PredictedPeaksChoices(), seed, rng)


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
    explained: Sequence[Sequence[Explained]],
    judged: Sequence[Judged],
    scorer: FragmentScorer,
    predicted: PredictedPeaksScorer,
) -> list[ListEvidence]:
    """The channels of fragments added, by the scorers."""
    found: list[ListEvidence] = []
    for said, pairs, one in zip(evidence, explained, judged, strict=True):
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
