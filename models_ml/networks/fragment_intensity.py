"""Predicts how strong each fragment ion of a structure is, and judges candidates by what they predict.

Learnt from measured spectra. The spectrum, by square root of intensity, is seen as draws from the ions of the
candidate and from "elsewhere", where all peaks lie that no fragment explains.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.evidence.ion_shares import (
    N_BOND_KINDS,
    N_COLUMNS,
    N_CONDITIONS,
    N_FRAGMENT_NUMBERS,
    N_PEAK_NUMBERS,
    IonBatch,
)

_HIDDEN = 64
_SMALL = 16
_MOST_LOGIT = 14.0  # keeps exp in range without a maximum over each pair
_ABSENT = -40.0
_ELSEWHERE_LOGIT = 3.0  # about twenty average ions
# How likely one given m/z is under "elsewhere", as a logarithm. A generous floor below explained peaks too
# would leave nothing to gain from predicting them: with -4 the network put 80 % elsewhere.
_NOISE_DENSITY = -6.0
_LOG_EVIDENCE = 1.5  # of one spectrum, before training: nearly five peaks
_TINY = 1e-9


class FragmentIntensity(nn.Module):
    """Ions of each fragment as logits, (F, N_COLUMNS)."""

    def __init__(self) -> None:
        super().__init__()
        self.fragment = nn.Linear(N_FRAGMENT_NUMBERS, _HIDDEN)
        self.bonds = nn.EmbeddingBag(N_BOND_KINDS, _HIDDEN, mode="sum", padding_idx=0)
        nn.init.normal_(self.bonds.weight, std=0.05)
        self.shift = nn.Linear(N_CONDITIONS, _HIDDEN)
        self.gate = nn.Linear(N_CONDITIONS, _HIDDEN)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.hidden = nn.Linear(_HIDDEN, _HIDDEN)
        self.ions = nn.Linear(_HIDDEN, N_COLUMNS)
        with torch.no_grad():
            self.bonds.weight[0] = 0

    def forward(self, batch: IonBatch) -> Tensor:
        device = self.ions.weight.device
        pair = torch.from_numpy(batch.pair).to(device)
        conditions = torch.from_numpy(batch.conditions).to(device)
        x = self.fragment(torch.from_numpy(batch.numbers).to(device))
        x = x + self.bonds(torch.from_numpy(batch.bonds).to(device))
        x = x * (1 + self.gate(conditions))[pair] + self.shift(conditions)[pair]
        logits = self.ions(functional.gelu(self.hidden(functional.gelu(x))))
        logits = _MOST_LOGIT * torch.tanh(logits / _MOST_LOGIT)
        bounded: Tensor = logits.masked_fill(~torch.from_numpy(batch.exists).to(device), _ABSENT)
        return bounded


class PredictedPeaksScorer(nn.Module):
    """Scores (P,), larger is better, comparable among candidates of one spectrum."""

    def __init__(self) -> None:
        super().__init__()
        self.intensity = FragmentIntensity()
        self.elsewhere = nn.Sequential(nn.Linear(N_CONDITIONS + 1, _SMALL), nn.GELU(), nn.Linear(_SMALL, 1))
        self.noise = _of_peak(_NOISE_DENSITY)
        self.evidence = _of_peak(_LOG_EVIDENCE)

    def forward(self, batch: IonBatch) -> Tensor:
        return self.judge(batch)[0]

    def judge(self, batch: IonBatch) -> tuple[Tensor, Tensor]:
        """Scores (P,), and log likelihoods (P,) of the spectra by the predicted shares alone."""
        of_peak, elsewhere = self.shares(batch)
        pair = torch.from_numpy(batch.peak_pair).to(of_peak.device)
        numbers = torch.from_numpy(batch.peak_numbers).to(of_peak.device)
        weight = torch.from_numpy(batch.peak_weight).to(of_peak.device)
        unexplained = elsewhere.log()[pair]
        floor = (unexplained + self.noise(numbers)[:, 0]).exp()
        said = self.evidence(numbers)[:, 0].exp() * torch.log(of_peak + floor + _TINY)
        plain = torch.where(of_peak > _TINY, torch.log(of_peak + _TINY), unexplained)
        empty = elsewhere.new_zeros(len(elsewhere))
        return empty.index_add(0, pair, weight * said), empty.index_add(0, pair, weight * plain)

    def shares(self, batch: IonBatch) -> tuple[Tensor, Tensor]:
        """Predicted share of each measured peak (Q,), and what each pair expects elsewhere (P,)."""
        strength = self.intensity(batch).exp()
        device = strength.device
        conditions = torch.from_numpy(batch.conditions).to(device)
        size = torch.from_numpy(batch.log_fragments).to(device)[:, None] / 6
        logit = self.elsewhere(torch.cat([conditions, size], dim=1))[:, 0]
        elsewhere = (logit + _ELSEWHERE_LOGIT).clamp(-5, 11).exp()
        pair = torch.from_numpy(batch.pair).to(device)
        total = elsewhere.index_add(0, pair, strength.sum(dim=1))
        met = strength.reshape(-1)[torch.from_numpy(batch.ions).to(device)]
        peaks = strength.new_zeros(len(batch.peak_pair))
        peaks = peaks.index_add(0, torch.from_numpy(batch.ion_peak).to(device), met)
        of_pair = total[torch.from_numpy(batch.peak_pair).to(device)]
        return peaks / of_pair, elsewhere / total


def _of_peak(start: float) -> nn.Sequential:
    """A small network over a peak's numbers that says `start` before training."""
    last = nn.Linear(_SMALL, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, start)
    return nn.Sequential(nn.Linear(N_PEAK_NUMBERS, _SMALL), nn.GELU(), last)
