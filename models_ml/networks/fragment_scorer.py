"""Scores how well a candidate's fragments match a spectrum's peaks. Trained on measured spectra."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.evidence.fragment_matches import N_MATCH_NUMBERS, N_PAIR_NUMBERS, FragmentMatches

_HIDDEN = 32
_SUMS = 8


class FragmentScorer(nn.Module):
    """Matches of P pairs of a spectrum and a candidate to values (P,): the channel `fragments`.

    Larger is better; comparable among the candidates of one spectrum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = nn.Sequential(
            nn.Linear(N_MATCH_NUMBERS, _HIDDEN),
            nn.GELU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.GELU(),
            nn.Linear(_HIDDEN, _SUMS),
        )
        self.linear = nn.Linear(_SUMS + N_PAIR_NUMBERS, 1)
        self.mixed = nn.Sequential(
            nn.Linear(2 * _SUMS + N_PAIR_NUMBERS, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1)
        )

    def forward(self, matches: FragmentMatches) -> Tensor:
        device = self.linear.weight.device
        pair_numbers = torch.from_numpy(matches.pair_numbers).to(device)
        pair = torch.from_numpy(matches.pair).to(device)
        value = self.peak(torch.from_numpy(matches.numbers).to(device))
        weighted = value * torch.from_numpy(matches.weight).to(device)[:, None]
        empty = pair_numbers.new_zeros(len(pair_numbers), _SUMS)
        sums = empty.index_add(0, pair, weighted)
        counts = functional.softsign(empty.index_add(0, pair, torch.sigmoid(value)) / 8)
        linear: Tensor = 3 * self.linear(torch.cat([sums, pair_numbers], 1))
        mixed: Tensor = self.mixed(torch.cat([sums, counts, pair_numbers], 1))
        return (linear + mixed)[:, 0]
