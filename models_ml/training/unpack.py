"""Makes the states of a run folder from a checkpoint, to train later stages again or further."""

from __future__ import annotations

import shutil

import torch
from safetensors.torch import load_file

from models_ml.checkpoint_info import TOKENIZER_FILE, WEIGHTS_FILE, read_checkpoint_info
from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.settings import UnpackSettings

_PARTS = {"pretrain": ("molecule_encoder", "decoder"), "contrastive": ("spectrum_encoder",)}


class OtherTokenizer(ValueError):
    """The prepared data have another tokenizer than the checkpoint."""


def unpack(settings: UnpackSettings) -> None:
    """Write pretrain.pt with the checkpoint's molecule encoder and decoder, and contrastive.pt.

    The encoder has been frozen since pre-training. The decoder has seen spectra in the generative stage: to
    get a decoder that has not, pre-train again. contrastive.pt is the whole network: `generative` and
    `ranking` continue from it, and `contrastive --warm-start` does in another run folder.
    """
    checkpoint, run = settings.checkpoint, settings.run
    info = read_checkpoint_info(checkpoint)
    if (checkpoint / TOKENIZER_FILE).read_bytes() != (settings.data / TOKENIZER_FILE).read_bytes():
        raise OtherTokenizer(
            f"{settings.data / TOKENIZER_FILE} differs from {checkpoint / TOKENIZER_FILE}. Use the prepared "
            "data that the checkpoint was trained on."
        )
    network = GlmrNetwork(GlmrConfig.from_dict(info.config))
    network.load_state_dict(
        {name: value.float() for name, value in load_file(checkpoint / WEIGHTS_FILE).items()}
    )
    run.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(settings.data / TOKENIZER_FILE, run / TOKENIZER_FILE)
    state = {
        "config": network.config.to_dict(),
        "network": network.state_dict(),
        "settings": {"checkpoint": info.name, "source": None},  # None: this run folder
        "step": 0,
        "elapsed_s": 0.0,
        "figures": {},
    }
    for stage, parts in _PARTS.items():
        trained = {part: getattr(network, part).state_dict() for part in parts}
        torch.save({**state, "trained": trained}, run / f"{stage}.pt")
