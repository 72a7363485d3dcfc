"""Predicts the Morgan bits of the molecule from a spectrum's bins, by a bag of bins and two layers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.evidence.peak_bins import N_ION_NUMBERS, NO_BIN, BinnedSpectra

N_BITS = 2048
_RARE_BIT = -3.5  # log odds: about one bit in 45 is set


@dataclass(frozen=True, slots=True)
class FingerprintHeadConfig:
    n_tokens: int
    width: int = 512
    dropout: float = 0.25
    blind: bool = False  # the control: reads no peaks, everything else is equal

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class FingerprintHead(nn.Module):
    """Log odds of the Morgan bits, (B, 2048). A candidate's value is the sum over the bits that it has."""

    def __init__(self, config: FingerprintHeadConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        if not config.blind:
            self.bag = nn.EmbeddingBag(config.n_tokens, width, mode="sum", padding_idx=NO_BIN)
            nn.init.normal_(self.bag.weight, std=0.05)
        self.ion = nn.Linear(N_ION_NUMBERS, width)
        self.norm_in = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.second = nn.Linear(width, width)
        self.bits = nn.Linear(width, N_BITS)
        nn.init.constant_(self.bits.bias, _RARE_BIT)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, spectra: BinnedSpectra) -> Tensor:
        device = self.bits.weight.device
        x = self.ion(torch.from_numpy(spectra.ions).to(device))
        if not self.config.blind:
            x = x + self.bag(
                torch.from_numpy(spectra.tokens).to(device),
                torch.from_numpy(spectra.offsets).to(device),
                per_sample_weights=torch.from_numpy(spectra.weights).to(device),
            )
        x = self.dropout(functional.gelu(self.norm_in(x)))
        x = self.norm(x + self.dropout(functional.gelu(self.first(x))))
        logits: Tensor = self.bits(self.dropout(functional.gelu(self.second(x))))
        return logits
