"""Writes a trained run as a checkpoint folder that inference loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models_ml.checkpoint_info import CheckpointInfo
from models_ml.config import GlmrConfig
from models_ml.inference.checkpoint import save_checkpoint
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.run import load_state

STAGES = ("pretrain", "contrastive", "generative")


def pack(*, run: Path, data: Path, out: Path, name: str) -> CheckpointInfo:
    """Takes the weights of the generative stage, and of every stage its settings, minutes and figures."""
    state = load_state(run / "generative.pt")
    network = GlmrNetwork(GlmrConfig.from_dict(state["config"]))
    network.load_state_dict(state["network"])
    training: dict[str, Any] = {stage: _summary(_stage_file(run, stage)) for stage in STAGES}
    tokenizer = SmilesTokenizer.load(data / "tokenizer.json")
    return save_checkpoint(out, network, tokenizer, name=name, training=training)


def _stage_file(run: Path, stage: str) -> Path:
    """A stage's state: in this run, or in the run whose pre-training this one used."""
    here = run / f"{stage}.pt"
    if here.exists() or stage != "pretrain":
        return here
    return Path(load_state(run / "contrastive.pt")["settings"]["source"]) / f"{stage}.pt"


def _summary(path: Path) -> dict[str, Any]:
    """Settings without the paths of the machine that trained."""
    state = load_state(path)
    settings = {key: value for key, value in state["settings"].items() if key != "source"}
    return {
        "steps": state["step"],
        "minutes": round(state["elapsed_s"] / 60, 1),
        "settings": settings,
        "figures": {key: round(value, 4) for key, value in state["figures"].items()},
    }
