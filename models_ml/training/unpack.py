"""Makes a run folder's pre-trained state from a checkpoint, to train the later stages anew on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from models_ml.checkpoint_info import TOKENIZER_FILE, WEIGHTS_FILE, read_checkpoint_info
from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork


class OtherTokenizer(ValueError):
    """The prepared data were tokenised otherwise than the checkpoint's network reads."""


def unpack(*, checkpoint: Path, data: Path, run: Path) -> None:
    """Write `run`/pretrain.pt with the checkpoint's molecule encoder and decoder.

    The encoder has been frozen since pre-training. The decoder has seen spectra in the generative stage:
    whoever needs one that has not must pre-train it again.
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
    torch.save(
        {
            "config": network.config.to_dict(),
            "network": network.state_dict(),
            "trained": {
                "molecule_encoder": network.molecule_encoder.state_dict(),
                "decoder": network.decoder.state_dict(),
            },
            "settings": {"checkpoint": info.name},
            "step": 0,
            "elapsed_s": 0.0,
            "figures": {},
        },
        run / "pretrain.pt",
    )
