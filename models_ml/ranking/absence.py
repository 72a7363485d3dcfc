"""Predicts from a whole ranked list whether the spectrum's molecule is among the candidates.

The ranker compares candidates with each other. A list without the molecule has other signs: no candidate
stands out, and even the best one agrees badly with the spectrum, in the absolute values of each channel.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models_ml.evidence.analog_votes import N_STRENGTHS, N_VOTES
from models_ml.ranking.features import ListEvidence, Scores

_SCORES = ("fingerprint", "contrastive", "fragments", "unexplained", "possible", "predicted", "likelihood")
_N_OF_SCORE = 5  # of the first candidate, highest, lowest, mean, and whether the channel has values
N_ABSENCE_NUMBERS = 4 + _N_OF_SCORE * len(_SCORES) + 2 * N_VOTES + N_STRENGTHS + 1
_HIDDEN = 32


class AbsenceClassifier(nn.Module):
    """Numbers of lists to the log odds that the molecule is absent, at a prior of one half."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_ABSENCE_NUMBERS))
        self.register_buffer("spread", torch.ones(N_ABSENCE_NUMBERS))
        self.layers = nn.Sequential(nn.Linear(N_ABSENCE_NUMBERS, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1))

    def forward(self, numbers: Tensor) -> Tensor:
        """(B, N_ABSENCE_NUMBERS) to (B,)."""
        out: Tensor = self.layers(((numbers - self.mean) / self.spread).clamp(-5, 5))[:, 0]
        return out


def absence_numbers(evidence: ListEvidence, probabilities: NDArray[np.float64]) -> Scores:
    """`probabilities` (C + 1,): the ranker's, of the candidates and of "none of these".

    The number of candidates is left out: training deletes the molecule from lists, so it would reveal the
    answer.
    """
    of_candidates = probabilities[:-1] / max(float(probabilities[:-1].sum()), 1e-9)
    ordered = np.sort(of_candidates)[::-1]
    first = int(np.argmax(of_candidates))
    none = float(np.clip(probabilities[-1], 1e-6, 1 - 1e-6))
    numbers = [
        ordered[0],
        ordered[1] if len(ordered) > 1 else 0.0,
        -float((of_candidates * np.log(of_candidates + 1e-9)).sum()),
        np.log(none / (1 - none)),
    ]
    for name in _SCORES:
        score: Scores | None = getattr(evidence, name)
        if score is None:
            numbers += [0.0] * _N_OF_SCORE
        else:
            numbers += [score[first], score.max(), score.min(), score.mean(), 1.0]
    analogs = evidence.analogs
    if analogs is None:
        numbers += [0.0] * (2 * N_VOTES + N_STRENGTHS + 1)
    else:
        numbers += [*analogs.votes[first], *analogs.votes.max(axis=0), *analogs.strengths, 1.0]
    return np.array(numbers, np.float32)
