"""Reads the state that a stage saved. Knows no optimiser and no loss."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork


def load_state(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run the stage before it first.")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def load_network(path: Path) -> GlmrNetwork:
    state = load_state(path)
    network = GlmrNetwork(GlmrConfig.from_dict(state["config"]))
    network.load_state_dict(state["network"])
    return network


def load_except_new_heads(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state whose embedding head may lack a hidden layer. A layer that is missing keeps its weights.

    Raises ValueError if any other tensor is missing or unknown.
    """
    missing, unexpected = module.load_state_dict(state, strict=False)
    wrong = [name for name in missing if "beside." not in name] + unexpected
    if wrong:
        raise ValueError(f"The state does not fit the network: {', '.join(wrong[:5])}.")


def source_of(run: Path) -> Path:
    """Run folder of the pre-training behind `run`/contrastive.pt. It also holds library_pooled.npy."""
    source = load_state(run / "contrastive.pt")["settings"]["source"]
    return run if source is None else Path(source)
