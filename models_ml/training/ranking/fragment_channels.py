"""Trains the channels that fragment candidates, and computes their values for the ranker's lists.

Needs RDKit. Fragmenting takes longer than learning, so it is done once for all seeds.
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
from models_ml.training.batches import shuffled_batches, spectra_per_compound
from models_ml.training.ranking.data import CandidateList, TrainingData
from models_ml.training.ranking.fit import fit
from models_ml.training.ranking.fragmenting import Fragmenter, ListIons, cut_list
from models_ml.training.ranking.predicted_peaks import fit_scorer
from models_ml.training.settings import PredictedPeaksSettings

MAX_CANDIDATES = 60  # of a list in the fragment scorer's training; larger windows are cut
SCORER_EPOCHS = 3
BATCH_LISTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class FragmentedLists:
    """For each list, what its candidates explain and which ions they can give."""

    explained: Sequence[Sequence[Explained]]
    ions: Sequence[ListIons]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingLists:
    """Training data of the fragment channels: lists of several candidates, large ones cut."""

    lists: FragmentedLists
    truths: Sequence[int]  # index of the right candidate in each list
    true_structures: Sequence[ListIons]  # training spectra with the right structure only


def fragment_lists(fragmenter: Fragmenter, lists: Sequence[CandidateList]) -> FragmentedLists:
    """`lists` in order of mass."""
    explained: list[list[Explained]] = []
    ions: list[ListIons] = []
    for candidate_list in tqdm(lists, "fragments of the ranker's lists"):
        explained.append(fragmenter.explain(candidate_list))
        ions.append(fragmenter.ions(candidate_list))
    return FragmentedLists(explained, ions)


def make_training_lists(
    fragmenter: Fragmenter,
    lists: Sequence[CandidateList],
    settings: PredictedPeaksSettings,
    rng: np.random.Generator,
) -> TrainingLists:
    """`lists` in order of mass. The result takes 2 GB of memory."""
    explained: list[list[Explained]] = []
    truths: list[int] = []
    ions: list[ListIons] = []
    with_choice = [candidate_list for candidate_list in lists if len(candidate_list.candidates) > 1]
    for candidate_list in tqdm(with_choice, "fragments"):
        shown = cut_list(candidate_list, MAX_CANDIDATES, rng)
        explained.append(fragmenter.explain(shown))
        truths.append(shown.truth)
        ions.append(fragmenter.ions(cut_list(shown, settings.most_candidates, rng)))
    true_structures = _true_structures(fragmenter.data, lists, settings, rng)
    return TrainingLists(
        FragmentedLists(explained, ions),
        truths,
        [fragmenter.ions(truth) for truth in tqdm(true_structures, "right structures")],
    )


def _true_structures(
    data: TrainingData,
    lists: Sequence[CandidateList],
    settings: PredictedPeaksSettings,
    rng: np.random.Generator,
) -> list[CandidateList]:
    """Spectra of the lists' compounds with the right structure only, in order of mass."""
    compounds = np.unique(data.spectra.compound[[candidate_list.spectrum for candidate_list in lists]])
    drawn = spectra_per_compound(data.spectra, settings.likelihood_per_compound, rng)
    drawn = drawn[np.isin(data.spectra.compound[drawn], compounds)]
    drawn = drawn[np.argsort(data.spectra.neutral_mass[drawn], kind="stable")]
    own = data.own[data.spectra.compound[drawn]]
    return [CandidateList(int(row), own[index : index + 1], 0) for index, row in enumerate(drawn)]


def train_fragment_channels(
    lists: TrainingLists, settings: PredictedPeaksSettings, seed: int, rng: np.random.Generator
) -> tuple[FragmentScorer, PredictedPeaksScorer]:
    scorer = train_scorer(lists.lists.explained, lists.truths, seed, rng)
    return scorer, fit_scorer(lists.true_structures, lists.lists.ions, settings, seed, rng)


def train_scorer(
    explained: Sequence[Sequence[Explained]], truths: Sequence[int], seed: int, rng: np.random.Generator
) -> FragmentScorer:
    """Learns to find the truth in each list by what the candidates' fragments explain."""
    torch.manual_seed(seed)
    scorer = FragmentScorer()
    batches = shuffled_batches(len(explained), BATCH_LISTS, rng)

    def loss() -> Tensor:
        batch = next(batches)
        scores = scorer(FragmentMatches.of([pair for index in batch for pair in explained[index]]))
        sizes = [len(explained[index]) for index in batch]
        padded = pad_sequence(list(torch.split(scores, sizes)), batch_first=True, padding_value=-1e4)
        return functional.cross_entropy(padded, torch.tensor([truths[index] for index in batch]))

    steps = SCORER_EPOCHS * max(len(explained) // BATCH_LISTS, 1)
    fit(scorer, loss, steps=steps, rate=3e-3, weight_decay=0.01, clip=1.0, name="fragment scorer")
    return scorer


def fragment_evidence(
    evidence: Sequence[ListEvidence],
    fragmented: FragmentedLists,
    scorer: FragmentScorer,
    predicted: PredictedPeaksScorer,
) -> list[ListEvidence]:
    """Adds the fragment channels, computed by the scorers."""
    found: list[ListEvidence] = []
    for of_list, pairs, ions in zip(evidence, fragmented.explained, fragmented.ions, strict=True):
        with torch.inference_mode():
            fragments = scorer(FragmentMatches.of(pairs))
            scores, likelihood = predicted(IonBatch.of([ions.spectrum], [ions.pairs]))
        found.append(
            replace(
                of_list,
                fragments=fragments.numpy(),
                unexplained=np.array([pair.unexplained for pair in pairs], np.float32),
                possible=np.array([pair.possible for pair in pairs], np.float32),
                predicted=scores.numpy(),
                likelihood=likelihood.numpy(),
            )
        )
    return found
