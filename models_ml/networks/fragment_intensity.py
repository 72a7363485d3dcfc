"""Predicts the intensity of each fragment ion of a structure and scores candidates by the prediction.

Trained on measured spectra. The model treats a spectrum, weighted by square root of intensity, as draws from
the ions of the candidate and from "elsewhere", the source of all peaks that no fragment explains.
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
_MAX_LOGIT = 14.0  # keeps exp in range without a maximum over each pair
_ABSENT = -40.0
_ELSEWHERE_LOGIT = 3.0  # as much as about twenty average ions
# Log density of "elsewhere" at a given m/z. It is also the floor under explained peaks. A higher floor makes
# it useless to predict them: with -4 the network assigned 80 % of the intensity to "elsewhere".
_NOISE_DENSITY = -6.0
_LOG_EVIDENCE = 1.5  # weight of a spectrum before training: that of nearly five peaks
_TINY = 1e-9


class FragmentIntensity(nn.Module):
    """Logits of the ions of each of F fragments, (F, N_COLUMNS). Ions that cannot exist get `_ABSENT`."""

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
        logits = _MAX_LOGIT * torch.tanh(logits / _MAX_LOGIT)
        bounded: Tensor = logits.masked_fill(~torch.from_numpy(batch.exists).to(device), _ABSENT)
        return bounded


class PredictedPeaksScorer(nn.Module):
    """Scores P pairs of a spectrum and a candidate: the channel `predicted`."""

    def __init__(self) -> None:
        super().__init__()
        self.intensity = FragmentIntensity()
        self.elsewhere = nn.Sequential(nn.Linear(N_CONDITIONS + 1, _SMALL), nn.GELU(), nn.Linear(_SMALL, 1))
        self.noise = _of_peak(_NOISE_DENSITY)
        self.evidence = _of_peak(_LOG_EVIDENCE)

    def forward(self, batch: IonBatch) -> tuple[Tensor, Tensor]:
        """Channel values (P,), and log likelihoods (P,) of the spectra under the predicted shares alone.

        Larger is better; both are comparable among the candidates of one spectrum.
        """
        of_peak, elsewhere = self.shares(batch)
        pair = torch.from_numpy(batch.peak_pair).to(of_peak.device)
        numbers = torch.from_numpy(batch.peak_numbers).to(of_peak.device)
        weight = torch.from_numpy(batch.peak_weight).to(of_peak.device)
        unexplained = elsewhere.log()[pair]
        floor = (unexplained + self.noise(numbers)[:, 0]).exp()
        weighted = self.evidence(numbers)[:, 0].exp() * torch.log(of_peak + floor + _TINY)
        log_share = torch.where(of_peak > _TINY, torch.log(of_peak + _TINY), unexplained)
        empty = elsewhere.new_zeros(len(elsewhere))
        return empty.index_add(0, pair, weight * weighted), empty.index_add(0, pair, weight * log_share)

    def shares(self, batch: IonBatch) -> tuple[Tensor, Tensor]:
        """Predicted share of each measured peak (Q,), and of "elsewhere" in each pair (P,)."""
        strength = self.intensity(batch).exp()
        device = strength.device
        conditions = torch.from_numpy(batch.conditions).to(device)
        size = torch.from_numpy(batch.log_fragments).to(device)[:, None] / 6
        logit = self.elsewhere(torch.cat([conditions, size], dim=1))[:, 0]
        elsewhere = (logit + _ELSEWHERE_LOGIT).clamp(-5, 11).exp()
        pair = torch.from_numpy(batch.pair).to(device)
        total = elsewhere.index_add(0, pair, strength.sum(dim=1))
        matched = strength.reshape(-1)[torch.from_numpy(batch.ions).to(device)]
        peaks = strength.new_zeros(len(batch.peak_pair))
        peaks = peaks.index_add(0, torch.from_numpy(batch.ion_peak).to(device), matched)
        of_pair = total[torch.from_numpy(batch.peak_pair).to(device)]
        return peaks / of_pair, elsewhere / total


def _of_peak(start: float) -> nn.Sequential:
    """A small network over a peak's numbers. Its output is `start` before training."""
    last = nn.Linear(_SMALL, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, start)
    return nn.Sequential(nn.Linear(N_PEAK_NUMBERS, _SMALL), nn.GELU(), last)
