"""The trained ranker: numbers of a list's candidates to a probability of each and of "none of these"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.ranking.features import N_LIST_NUMBERS, N_NUMBERS, Scores

# Assumed share of spectra whose molecule is not among the candidates. It is low, as for an almost complete
# library. For the decision on "none of these", `fuse.abstains` uses a higher share.
ABSENT_PRIOR = 0.03
_HIDDEN = 48
_LIST_HIDDEN = 16


class Ranker(nn.Module):
    """A softmax over one score for each candidate and one for "none of these"."""

    temperature: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.candidate = nn.Sequential(
            nn.Linear(N_NUMBERS, _HIDDEN), nn.GELU(), nn.Dropout(0.1),
            nn.Linear(_HIDDEN, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1),
        )  # fmt: skip
        self.linear = nn.Linear(N_NUMBERS, 1)
        self.none = nn.Sequential(
            nn.Linear(N_LIST_NUMBERS + 2, _LIST_HIDDEN), nn.GELU(), nn.Linear(_LIST_HIDDEN, 1)
        )
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, numbers: Tensor, lists: Tensor, keep: Tensor) -> Tensor:
        """numbers (B, C, N_NUMBERS), lists (B, N_LIST_NUMBERS), keep (B, C) to log probabilities (B, C + 1).

        The last column is "none of these". Padding has minus infinity.
        """
        scores = (self.candidate(numbers) + self.linear(numbers))[:, :, 0]
        scores = scores.masked_fill(~keep, -torch.inf)
        best = scores.amax(dim=1)
        second = scores.topk(min(2, scores.shape[1]), dim=1).values[:, -1].clamp(min=-50) - best
        none = self.none(torch.cat([lists, (best / 5)[:, None], (second / 5)[:, None]], dim=1))
        logits = torch.cat([scores, best[:, None] + none], dim=1) / self.temperature
        return functional.log_softmax(logits, dim=1)

    def shift_none(self, log_odds: float) -> None:
        """Change the prior of "none of these" from that of the training, by a difference of log odds."""
        last = self.none[2]
        if isinstance(last, nn.Linear):
            with torch.no_grad():
                last.bias.add_(log_odds)


def odds(share: float) -> float:
    return share / (1 - share)


def pad_lists(lists: Sequence[tuple[Scores, Scores]]) -> tuple[Tensor, Tensor, Tensor]:
    """The results of `ranker_numbers` for B lists as the three arguments of the ranker."""
    n_candidates = max(len(candidates) for candidates, _ in lists)
    padded = np.zeros((len(lists), n_candidates, N_NUMBERS), np.float32)
    keep = np.zeros((len(lists), n_candidates), bool)
    for row, (candidates, _) in enumerate(lists):
        padded[row, : len(candidates)] = candidates
        keep[row, : len(candidates)] = True
    list_numbers = np.stack([of_list for _, of_list in lists])
    return torch.from_numpy(padded), torch.from_numpy(list_numbers), torch.from_numpy(keep)
