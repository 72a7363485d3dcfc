"""Writes a trained run as a checkpoint folder that inference loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models_ml.checkpoint_info import CheckpointInfo
from models_ml.config import GlmrConfig
from models_ml.inference.checkpoint import save_checkpoint
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.settings import PackSettings
from models_ml.training.settings_file import provenance
from models_ml.training.states import load_state, source_of

STAGES = ("pretrain", "contrastive", "generative")


def pack(settings: PackSettings) -> CheckpointInfo:
    """Takes the weights of the generative stage, and from every stage its settings, minutes and metrics."""
    state = load_state(settings.run / "generative.pt")
    network = GlmrNetwork(GlmrConfig.from_dict(state["config"]))
    network.load_state_dict(state["network"])
    training = {stage: _summary(_stage_file(settings.run, stage)) for stage in STAGES}
    tokenizer = SmilesTokenizer.load(settings.data / "tokenizer.json")
    return save_checkpoint(settings.out, network, tokenizer, name=settings.name, training=training)


def _stage_file(run: Path, stage: str) -> Path:
    """A stage's state: in this run, or in the run whose pre-training it used."""
    path = run / f"{stage}.pt"
    if path.exists() or stage != "pretrain":
        return path
    return source_of(run) / path.name


def _summary(path: Path) -> dict[str, Any]:
    state = load_state(path)
    return {
        "steps": state["step"],
        "minutes": round(state["elapsed_s"] / 60, 1),
        "settings": provenance(state["settings"]),
        "figures": {key: round(value, 4) for key, value in state["figures"].items()},
    }
