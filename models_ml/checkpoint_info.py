"""Reads the description of a checkpoint folder. Imports no torch, so that the web server can use it.

The folder holds model.safetensors, config.json, tokenizer.json, metrics.json and MODEL_CARD.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
METRICS_FILE = "metrics.json"
CARD_FILE = "MODEL_CARD.md"
TEMPERATURES_FILE = "temperatures.json"  # fitted on validation spectra; only the evaluation reads it
# Folder in a checkpoint with its blind twin: the control that was trained without peaks.
TWIN_FOLDER = "blind"
_COPY_AGAIN = "Copy the whole checkpoint folder again."


class BrokenCheckpoint(Exception):
    """The folder cannot be used as a checkpoint: what is wrong, where, and how to fix it."""


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    name: str
    method: str  # "glmr"
    checkpoint_sha256: str  # of the weights file
    tokenizer_sha256: str  # of the tokenizer file
    embedding_dim: int
    config: Mapping[str, Any]  # sizes of the networks, models_ml.config.GlmrConfig
    training: Mapping[str, Any]  # data, commands, minutes
    metrics: Mapping[str, Any]  # measured by models_ml.evaluate
    license: str
    preprocess_version: str
    folder: Path
    ranking_sha256: str | None = None  # of ranking.safetensors; None: no fused ranking


def read_checkpoint_info(folder: Path) -> CheckpointInfo:
    """Raises BrokenCheckpoint if a file is missing or unreadable, or the weights do not match config.json."""
    config = _read_json(folder / CONFIG_FILE)
    weights_sha256 = _required_sha256(folder / WEIGHTS_FILE)
    try:
        info = CheckpointInfo(
            name=config["name"],
            method=config["method"],
            checkpoint_sha256=weights_sha256,
            tokenizer_sha256=_required_sha256(folder / TOKENIZER_FILE),
            embedding_dim=config["network"]["embedding_dim"],
            config=config["network"],
            training=config["training"],
            metrics=_read_json(folder / METRICS_FILE) if (folder / METRICS_FILE).exists() else {},
            license=config["license"],
            preprocess_version=config["preprocess_version"],
            folder=folder,
            ranking_sha256=config.get("ranking_sha256"),
        )
    except KeyError as error:
        raise BrokenCheckpoint(
            f"{folder / CONFIG_FILE} has no entry {error}. Pack the checkpoint again: "
            "python -m models_ml.training pack."
        ) from error
    if weights_sha256 != config.get("checkpoint_sha256"):
        raise BrokenCheckpoint(
            f"{folder / WEIGHTS_FILE} is not the file that {CONFIG_FILE} names (SHA-256 "
            f"{weights_sha256[:12]}… instead of {str(config.get('checkpoint_sha256'))[:12]}…). {_COPY_AGAIN}"
        )
    return info


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _required_sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except FileNotFoundError as error:
        raise BrokenCheckpoint(f"{path} is missing. {_COPY_AGAIN}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BrokenCheckpoint(f"{path} is missing. {_COPY_AGAIN}") from error
    except ValueError as error:
        raise BrokenCheckpoint(f"{path} is not valid JSON ({error}). {_COPY_AGAIN}") from error
    return values
