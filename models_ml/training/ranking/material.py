"""Prepares what all seeds of the ranking learn from, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.ranking.features import ListEvidence
from models_ml.training.batches import spectra_per_compound
from models_ml.training.ranking.data import CandidateList, TrainingData
from models_ml.training.ranking.evidence import fixed_evidence
from models_ml.training.ranking.fingerprint_heads import SpectrumTokens, vocabulary_of
from models_ml.training.ranking.fragment_channels import (
    FragmentedLists,
    TrainingLists,
    fragment_lists,
    make_training_lists,
)
from models_ml.training.ranking.fragmenting import Fragmenter
from models_ml.training.settings import RankingSettings

DRAW_SEED = 0  # of the spectra to learn from: the same for all seeds, because fragmenting takes long


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    data: TrainingData
    tokens: SpectrumTokens
    shown: NDArray[np.int64]  # spectra outside the held-out fold
    lists: Sequence[CandidateList]  # of the held-out fold
    evidence: Sequence[ListEvidence]  # of these lists, from the channels that do not depend on the seed
    fragmented: FragmentedLists | None  # these lists; None: the blind control
    training_lists: TrainingLists | None  # None: the blind control, or the channels are already trained


def prepare_material(settings: RankingSettings) -> Material:
    rng = np.random.default_rng(DRAW_SEED)
    data = TrainingData.load(settings.data)
    is_held_out = data.folds[data.spectra.compound] == settings.hold_out
    shown = np.flatnonzero(~is_held_out)
    drawn = np.sort(spectra_per_compound(data.spectra, settings.per_compound, rng))
    lists = data.lists(drawn[is_held_out[drawn]])
    evidence = [ListEvidence(n_candidates=len(candidate_list.candidates)) for candidate_list in lists]
    fragmented = training_lists = None
    if not settings.blind:
        evidence = fixed_evidence(data, lists, settings.run, shown)
        fragmenter = Fragmenter(data)
        fragmented = fragment_lists(fragmenter, lists)
        if settings.channels_of is None:
            shown_lists = data.lists(drawn[~is_held_out[drawn]])
            training_lists = make_training_lists(fragmenter, shown_lists, settings.predicted_peaks, rng)
    return Material(
        data=data,
        tokens=SpectrumTokens(data.spectra, vocabulary_of(data.spectra, shown)),
        shown=shown,
        lists=lists,
        evidence=evidence,
        fragmented=fragmented,
        training_lists=training_lists,
    )
