"""One training stage: budget, learning rate, optimiser step, log and resumable state. Knows no loss."""

from __future__ import annotations

import copy
import json
import math
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.precision import autocast

WARM_UP_SHARE = 0.04
SAVE_EVERY_S = 120.0
LOG_EVERY_STEPS = 20


@dataclass(frozen=True, slots=True)
class Budget:
    """Ends a stage by steps (one result for one seed), by minutes (whatever fits), or the earlier of both."""

    max_minutes: float | None = None
    max_steps: int | None = None

    def spent(self, elapsed_s: float, step: int) -> float:
        """Share of the budget used up, 1 or more at the end."""
        by_time = elapsed_s / (60 * self.max_minutes) if self.max_minutes else 0.0
        by_steps = step / self.max_steps if self.max_steps else 0.0
        return max(by_time, by_steps)


@dataclass
class StageRun:
    """The state of one stage in `folder`; `<stage>.pt` resumes it, `<stage>.jsonl` is its log."""

    folder: Path
    stage: str
    network: GlmrNetwork
    trained: Mapping[str, nn.Module]  # what the optimiser changes, by name
    budget: Budget
    peak_rate: float
    device: str
    settings: Mapping[str, Any]  # the command's arguments, kept with the state
    check_every_s: float = 120.0  # between validations
    step: int = 0
    elapsed_s: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        parameters = [p for module in self.trained.values() for p in module.parameters() if p.requires_grad]
        self.parameters = parameters
        matrices = [p for p in parameters if p.dim() > 1]
        vectors = [p for p in parameters if p.dim() <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
            lr=self.peak_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        # Total and number of steps, by figure. The total stays on the device: to read it is to wait for it.
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._next_check = self.check_every_s
        self._last = time.monotonic()
        self._last_save = time.monotonic()
        self._bar = tqdm(total=100, desc=self.stage, unit="%", mininterval=1.0)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.stage}.pt"

    @property
    def spent(self) -> float:
        """Share of the budget that is used up."""
        return self.budget.spent(self.elapsed_s, self.step)

    @property
    def done(self) -> bool:
        return self.spent >= 1

    def autocast(self) -> torch.autocast:
        return autocast(self.device)

    def learn(self, loss: Tensor, **figures: Tensor) -> None:
        """One optimiser step on `loss`; `figures` are averaged into the log."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.peak_rate * _rate_share(self.budget.spent(self.elapsed_s, self.step))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.step += 1
        self._tick()
        self._sum({"loss": loss, **figures})
        if self.step % LOG_EVERY_STEPS == 0:
            self._write_means()
        if time.monotonic() - self._last_save > SAVE_EVERY_S:
            self.save()

    def check_due(self) -> bool:
        """True once every `check_every_s` of training, and at the end."""
        if self.elapsed_s < self._next_check and not self.done:
            return False
        self._next_check = self.elapsed_s + self.check_every_s
        return True

    def pause(self) -> None:
        """Leave the time since the last step out of the budget (validation is not training)."""
        self._last = time.monotonic()

    def warn(self, signs: Iterable[str]) -> None:
        """Say what the monitors saw, on the terminal and in the log."""
        for sign in signs:
            tqdm.write(f"{self.stage}: {sign}")
            self.log(warning=sign)

    def log(self, **values: float | int | str) -> None:
        line = {"stage": self.stage, "step": self.step, "elapsed_s": round(self.elapsed_s, 1), **values}
        with (self.folder / f"{self.stage}.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def save(self, *, finished: bool = False) -> None:
        state = {
            "config": self.network.config.to_dict(),
            "network": self.network.state_dict(),
            "trained": {name: module.state_dict() for name, module in self.trained.items()},
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "figures": self.figures,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "finished": finished,
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)
        self._last_save = time.monotonic()

    def resume(self) -> bool:
        """Take up the stage where `<stage>.pt` left it. False if there is nothing to take up."""
        if not self.path.exists():
            return False
        state = load_state(self.path)
        self.network.load_state_dict(state["network"])
        for name, module in self.trained.items():
            module.load_state_dict(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.figures = dict(state["figures"])
        self._next_check = self.elapsed_s + self.check_every_s
        return True

    def _tick(self) -> None:
        now = time.monotonic()
        self.elapsed_s += now - self._last
        self._last = now
        spent = min(round(100 * self.budget.spent(self.elapsed_s, self.step)), 100)
        self._bar.update(spent - self._bar.n)

    def _sum(self, figures: Mapping[str, Tensor]) -> None:
        for name, value in figures.items():
            seen = value.detach().double()
            total, n = self._sums.get(name, (torch.zeros_like(seen), 0))
            self._sums[name] = (total + seen, n + 1)

    def _write_means(self) -> None:
        means = {name: round(float(total) / n, 5) for name, (total, n) in self._sums.items()}
        if not all(math.isfinite(value) for value in means.values()):
            raise RuntimeError(f"{self.stage}: the loss is no number at step {self.step}; lower the rate.")
        self.log(**means)
        self._bar.set_postfix(means, refresh=False)
        self._sums = {}


class BestState:
    """Keeps the weights of the moment when a validation figure was best."""

    def __init__(self, run: StageRun, modules: Iterable[nn.Module], figure: str, *, highest: bool) -> None:
        self.run, self.modules, self.figure = run, list(modules), figure
        self.sign = 1 if highest else -1
        self._keep()

    def offer(self, figures: Mapping[str, float]) -> None:
        """Log `figures`; keep the present weights if the figure is better than ever before."""
        self.run.log(**figures)
        known = self.run.figures.get(self.figure)
        if known is None or self.sign * figures[self.figure] > self.sign * known:
            self.run.figures.update(figures)
            self._keep()

    def restore(self) -> None:
        for module, weights in zip(self.modules, self.weights, strict=True):
            module.load_state_dict(weights)

    def _keep(self) -> None:
        self.weights = [copy.deepcopy(module.state_dict()) for module in self.modules]


def set_dropout(network: nn.Module, probability: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability


def seed_everything(seed: int) -> np.random.Generator:
    random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def load_state(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run the stage before it first.")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def load_but_for_new_heads(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state that may be from before an embedding head had a hidden layer; that one stays as it is.

    Raises ValueError if anything else is missing or too much.
    """
    missing, unexpected = module.load_state_dict(state, strict=False)
    wrong = [name for name in missing if "beside." not in name] + unexpected
    if wrong:
        raise ValueError(f"The state does not fit the network: {', '.join(wrong[:5])}.")


def load_network(path: Path) -> GlmrNetwork:
    state = load_state(path)
    network = GlmrNetwork(GlmrConfig.from_dict(state["config"]))
    network.load_state_dict(state["network"])
    return network


def _rate_share(spent: float) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak."""
    if spent < WARM_UP_SHARE:
        return max(spent / WARM_UP_SHARE, 0.01)
    return 0.02 + 0.49 * (1 + math.cos(math.pi * min(spent, 1.0)))


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
