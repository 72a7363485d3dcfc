"""Runs one training stage: budget, learning rate, optimiser step, log and resumable state. Knows no loss."""

from __future__ import annotations

import copy
import json
import math
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.precision import autocast
from models_ml.training.settings import StageSettings
from models_ml.training.settings_file import check_resume, to_json, write_settings
from models_ml.training.states import load_state

WARM_UP_SHARE = 0.04
SAVE_EVERY_S = 120.0
LOG_EVERY_STEPS = 20


def set_up(settings: StageSettings) -> np.random.Generator:
    """Set threads and seeds. Returns the generator that draws the batches."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return _seed(settings.seed)


def start_run(settings: StageSettings, network: GlmrNetwork, trained: Mapping[str, nn.Module]) -> StageRun:
    """A run on its device. Resumes if a state exists, unless `fresh` is set."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    for module in (network, *trained.values()):
        module.to(settings.device)
    run = StageRun(settings, network, trained)
    if not settings.fresh and run.resume():
        # Dropout and augmentation must not repeat the numbers of the start. The order of the batches does:
        # `set_up` made their generator.
        _seed(settings.seed + run.step)
    return run


class StageRun:
    """The state of one stage in the folder `settings.run`.

    `<stage>.pt` is the state to resume from, `<stage>.json` its settings, `<stage>.jsonl` the log.
    """

    def __init__(
        self, settings: StageSettings, network: GlmrNetwork, trained: Mapping[str, nn.Module]
    ) -> None:
        """`trained`: the modules that the optimiser changes, by name."""
        self.settings, self.network, self.trained = settings, network, trained
        self.stage, self.device = settings.command, settings.device
        self.step, self.elapsed_s = 0, 0.0
        self.metrics: dict[str, float] = {}  # of the best state so far
        settings.run.mkdir(parents=True, exist_ok=True)
        self.parameters = [p for module in trained.values() for p in module.parameters() if p.requires_grad]
        matrices = [p for p in self.parameters if p.dim() > 1]
        vectors = [p for p in self.parameters if p.dim() <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
            lr=settings.rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        # Total and number of steps of each metric. The total stays on the device, because reading it waits.
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._next_check = settings.check_every
        self._last = time.monotonic()
        self._last_save = time.monotonic()
        self._bar = tqdm(total=100, desc=self.stage, unit="%", mininterval=1.0)

    @property
    def path(self) -> Path:
        return self.settings.run / f"{self.stage}.pt"

    @property
    def spent(self) -> float:
        """Used share of the budget, 1 or more at the end. Steps or minutes, whichever ends first."""
        minutes, steps = self.settings.max_minutes, self.settings.max_steps
        by_time = self.elapsed_s / (60 * minutes) if minutes else 0.0
        by_steps = self.step / steps if steps else 0.0
        return max(by_time, by_steps)

    @property
    def done(self) -> bool:
        return self.spent >= 1

    def autocast(self) -> torch.autocast:
        return autocast(self.device)

    def learn(self, loss: Tensor, **metrics: Tensor) -> None:
        """One optimiser step on `loss`. The log gets the means of `metrics`."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * _rate_share(self.spent)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.step += 1
        self._tick()
        self._sum({"loss": loss, **metrics})
        if self.step % LOG_EVERY_STEPS == 0:
            self._write_means()
        if time.monotonic() - self._last_save > SAVE_EVERY_S:
            self.save()

    def check_due(self) -> bool:
        """True after every `check_every` seconds of training, and at the end."""
        if self.elapsed_s < self._next_check and not self.done:
            return False
        self._next_check = self.elapsed_s + self.settings.check_every
        return True

    def pause(self) -> None:
        """Leave the time since the last step out of the budget: validation is not training."""
        self._last = time.monotonic()

    def warn(self, warnings: Iterable[str]) -> None:
        """Print and log each warning."""
        for warning in warnings:
            tqdm.write(f"{self.stage}: {warning}")
            self.log(warning=warning)

    def log(self, **values: float | int | str) -> None:
        line = {"stage": self.stage, "step": self.step, "elapsed_s": round(self.elapsed_s, 1), **values}
        with self.path.with_suffix(".jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def save(self, *, finished: bool = False) -> None:
        settings = replace(self.settings, fresh=False)  # the saved settings are those to resume with
        state = {
            "config": self.network.config.to_dict(),
            "network": self.network.state_dict(),
            "trained": {name: module.state_dict() for name, module in self.trained.items()},
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "figures": self.metrics,  # the key that states and checkpoints have had from the start
            "settings": to_json(settings),
            "finished": finished,
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)
        write_settings(self.path.with_suffix(".json"), settings)
        self._last_save = time.monotonic()

    def resume(self) -> bool:
        """Continue from `<stage>.pt`. False if it does not exist.

        Raises BadSettings if a setting has changed that may not, ValueError if the state has no optimiser.
        """
        if not self.path.exists():
            return False
        changes = check_resume(self.settings, self.path.with_suffix(".json"))
        state = load_state(self.path)
        if "optimiser" not in state:
            raise ValueError(
                f"{self.path} was written by `unpack` and cannot be resumed. Train in another run folder, "
                f"with --warm-start {self.path}."
            )
        self.network.load_state_dict(state["network"])
        for name, module in self.trained.items():
            module.load_state_dict(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.metrics = dict(state["figures"])
        self._next_check = self.elapsed_s + self.settings.check_every
        for change in changes:
            tqdm.write(f"{self.stage} resumes at step {self.step}: {change}")
            self.log(resumed=change)
        return True

    def _tick(self) -> None:
        now = time.monotonic()
        self.elapsed_s += now - self._last
        self._last = now
        percent = min(round(100 * self.spent), 100)
        self._bar.update(percent - self._bar.n)

    def _sum(self, metrics: Mapping[str, Tensor]) -> None:
        for name, value in metrics.items():
            detached = value.detach().double()
            total, n = self._sums.get(name, (torch.zeros_like(detached), 0))
            self._sums[name] = (total + detached, n + 1)

    def _write_means(self) -> None:
        means = {name: round(float(total) / n, 5) for name, (total, n) in self._sums.items()}
        if not all(math.isfinite(value) for value in means.values()):
            raise RuntimeError(f"{self.stage}: the loss is not finite at step {self.step}. Lower the rate.")
        self.log(**means)
        self._bar.set_postfix(means, refresh=False)
        self._sums = {}


class BestState:
    """Keeps the weights of the step with the best validation metric."""

    def __init__(self, run: StageRun, modules: Iterable[nn.Module], metric: str, *, highest: bool) -> None:
        self.run, self.modules, self.metric = run, list(modules), metric
        self.sign = 1 if highest else -1
        self._keep()

    def offer(self, metrics: Mapping[str, float]) -> None:
        """Log `metrics`. Keep the present weights if the metric is the best so far."""
        self.run.log(**metrics)
        known = self.run.metrics.get(self.metric)
        if known is None or self.sign * metrics[self.metric] > self.sign * known:
            self.run.metrics.update(metrics)
            self._keep()

    def restore(self) -> None:
        for module, weights in zip(self.modules, self.weights, strict=True):
            module.load_state_dict(weights)

    def _keep(self) -> None:
        self.weights: list[dict[str, Any]] = [copy.deepcopy(module.state_dict()) for module in self.modules]


def _seed(seed: int) -> np.random.Generator:
    random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def _rate_share(spent: float) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak."""
    if spent < WARM_UP_SHARE:
        return max(spent / WARM_UP_SHARE, 0.01)
    return 0.02 + 0.49 * (1 + math.cos(math.pi * min(spent, 1.0)))
