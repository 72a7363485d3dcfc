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
from tqdm import tqdm

from models_ml.evidence.fragments import strongest_peaks
from models_ml.evidence.ion_shares import IonBatch, PairIons, SpectrumPeaks
from models_ml.evidence.predicted_peaks import candidate_ions, spectrum_peaks
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.training.batches import shuffled_batches
from models_ml.training.fit import fit
from models_ml.training.generative import spectra_per_compound
from models_ml.training.ranking_evidence import ADDUCT_OF_PLACE, CandidateList, Pools


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


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One spectrum with its candidates, ready for the scorer."""

    spectrum: SpectrumPeaks
    pairs: Sequence[PairIons]
    truth: int  # place among them


def material(
    pools: Pools, lists: Sequence[CandidateList], choices: PredictedPeaksChoices, rng: np.random.Generator
) -> tuple[list[Judged], list[Judged]]:
    """Spectra of the lists' compounds with their own structure alone, and the lists, large ones cut. 2 GB."""
    compounds = np.unique(pools.spectra.compound[[one.spectrum for one in lists]])
    drawn = spectra_per_compound(pools.spectra, choices.likelihood_per_compound, rng)
    drawn = drawn[np.isin(pools.spectra.compound[drawn], compounds)]
    own = pools.own[pools.spectra.compound[drawn]]
    alone = [CandidateList(int(row), own[place : place + 1], 0) for place, row in enumerate(drawn)]
    cut = [_cut(one, choices.most_candidates, rng) for one in lists if len(one.candidates) > 1]
    return judged_lists(pools, alone), judged_lists(pools, cut)


def judged_lists(pools: Pools, lists: Sequence[CandidateList]) -> list[Judged]:
    """In the order of neutral mass: spectra with the same candidates find their fragments in the cache."""
    smiles = pools.library.smiles
    found: list[Judged] = []
    for one in tqdm(sorted(lists, key=lambda one: pools.spectra.neutral_mass[one.spectrum]), "fragment ions"):
        seen = pools.spectra.features(one.spectrum)
        peaks = strongest_peaks(seen.mz, seen.intensity, seen.precursor_mz)
        spectrum = spectrum_peaks(peaks, seen.adduct, seen.energy, seen.energy_kind, seen.precursor_mz)
        structures = [smiles[row] for row in one.candidates]
        pairs = candidate_ions(peaks, structures, ADDUCT_OF_PLACE[seen.adduct], seen.precursor_mz)
        found.append(Judged(spectrum, pairs, one.truth))
    return found


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


def _cut(one: CandidateList, most: int, rng: np.random.Generator) -> CandidateList:
    """At most so many candidates, the truth among them."""
    if len(one.candidates) <= most:
        return one
    others = np.delete(one.candidates, one.truth)
    right = one.candidates[one.truth]
    kept = np.sort(np.append(rng.choice(others, most - 1, replace=False), right))
    return CandidateList(one.spectrum, kept, int(np.searchsorted(kept, right)))
