"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

DEFAULT_CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "glmr-0.6"


def program(command: str) -> str:
    return f"python -m models_ml.evaluate {command}"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command that runs the model needs."""
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument(
        "--limit", type=int, help="maximum number of spectra, drawn evenly over compounds; by default all"
    )
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0: chosen by torch")
    parser.add_argument(
        "--cache", type=Path, help="folder that keeps the library, embeddings, references and MCES distances"
    )
    parser.add_argument(
        "--mces-limit",
        type=int,
        default=60,
        help="maximum number of MCES distances per method, because each takes seconds; 0: none",
    )


def set_threads(threads: int) -> None:
    """0 keeps the number that torch chose."""
    if threads:
        torch.set_num_threads(threads)
