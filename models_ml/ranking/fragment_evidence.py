"""The channels `fragments`, `fragment_coverage` and `predicted` of one candidate list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from models_ml.evidence.fragment_matches import Explained, FragmentMatches
from models_ml.evidence.ion_shares import IonBatch
from models_ml.networks.fragment_intensity import PredictedPeaksScorer
from models_ml.networks.fragment_scorer import FragmentScorer
from models_ml.ranking.features import ListEvidence


def add_fragment_channels(
    evidence: ListEvidence,
    matches: Sequence[Explained],
    ions: IonBatch,
    scorer: FragmentScorer,
    predicted: PredictedPeaksScorer,
) -> ListEvidence:
    """`matches` and `ions`: the matched peaks and the possible ions of each candidate, in list order."""
    with torch.inference_mode():
        fragments = scorer(FragmentMatches.of(matches))
        predicted_scores, likelihood = predicted(ions)
    return replace(
        evidence,
        fragments=fragments.numpy(),
        unexplained=np.array([match.unexplained for match in matches], np.float32),
        possible=np.array([match.possible for match in matches], np.float32),
        predicted=predicted_scores.numpy(),
        likelihood=likelihood.numpy(),
    )
