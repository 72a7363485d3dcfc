"""Makes a run folder's states from a checkpoint, to train later stages anew or further."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from models_ml.checkpoint_info import TOKENIZER_FILE, WEIGHTS_FILE, read_checkpoint_info
from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork

_PARTS = {"pretrain": ("molecule_encoder", "decoder"), "contrastive": ("spectrum_encoder",)}


class OtherTokenizer(ValueError):
    """The prepared data were tokenised otherwise than the checkpoint's network reads."""


def unpack(*, checkpoint: Path, data: Path, run: Path) -> None:
    """Write `run`/pretrain.pt with the checkpoint's molecule encoder and decoder, and contrastive.pt.

    The encoder has been frozen since pre-training. The decoder has seen spectra in the generative stage:
    whoever needs one that has not must pre-train it again. contrastive.pt is the whole network: `generative`
    and `ranking` go on from it, and `contrastive --warm-start` does in another run folder.
    """
    info = read_checkpoint_info(checkpoint)
    if (checkpoint / TOKENIZER_FILE).read_bytes() != (data / TOKENIZER_FILE).read_bytes():
        raise OtherTokenizer(f"{data} was prepared with another tokenizer than {checkpoint} has.")
    network = GlmrNetwork(GlmrConfig.from_dict(info.config))
    network.load_state_dict(
        {name: value.float() for name, value in load_file(checkpoint / WEIGHTS_FILE).items()}
    )
    run.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data / TOKENIZER_FILE, run / TOKENIZER_FILE)
    state = {
        "config": network.config.to_dict(),
        "network": network.state_dict(),
        "settings": {"checkpoint": info.name, "source": str(run)},
        "step": 0,
        "elapsed_s": 0.0,
        "figures": {},
    }
    for stage, parts in _PARTS.items():
        trained = {part: getattr(network, part).state_dict() for part in parts}
        torch.save({**state, "trained": trained}, run / f"{stage}.pt")
