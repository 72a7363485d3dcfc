"""A short training in memory: AdamW, one cycle of the learning rate, clipped gradients, a progress bar."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm import tqdm


def fit(
    module: nn.Module,
    loss_of_next_batch: Callable[[], Tensor],
    *,
    steps: int,
    rate: float,
    weight_decay: float,
    clip: float,
    name: str,
) -> None:
    """For modules that train in minutes. A long stage is a `StageRun`, which can resume."""
    optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1, pct_start=0.1)
    module.train()
    bar = tqdm(range(steps), name)
    for _ in bar:
        loss = loss_of_next_batch()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), clip)
        optimiser.step()
        schedule.step()
        bar.set_postfix(loss=f"{float(loss.detach()):.3f}", refresh=False)
    module.eval()
