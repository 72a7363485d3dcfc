"""The two losses and their learnt temperature."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Temperature(nn.Module):
    """Learnt inverse temperature. Starts at 1/0.07, at most 100."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self) -> Tensor:
        return self.log_scale.clamp(max=math.log(100.0)).exp()


def ms2mol_loss(
    spectra: Tensor,
    molecules: Tensor,
    scale: Tensor,
    extra: Tensor | None = None,
    shared: Tensor | None = None,
    is_own: Tensor | None = None,
) -> Tensor:
    """Spectra (B, D) against molecules (B, D), further negatives of each (B, M, D) and of all (N, D).

    `is_own` (B, N) marks the shared negatives that are a spectrum's own molecule. They do not count.
    """
    logits = scale * spectra @ molecules.T
    if extra is not None:
        logits = torch.cat([logits, scale * torch.einsum("bd,bmd->bm", spectra, extra)], dim=1)
    if shared is not None and is_own is not None:
        shared_logits = (scale * spectra @ shared.T).masked_fill(is_own, -torch.inf)
        logits = torch.cat([logits, shared_logits], dim=1)
    return functional.cross_entropy(logits, torch.arange(len(spectra), device=spectra.device))


def mol2ms_loss(molecules: Tensor, spectra: Tensor, perturbed: Tensor, scale: Tensor) -> Tensor:
    """Molecules (B, D) against their own spectra (B, D) and the perturbed copies (B, D)."""
    own = (molecules * spectra).sum(1)
    wrong = (molecules * perturbed).sum(1)
    return functional.softplus(scale * (wrong - own)).mean()
