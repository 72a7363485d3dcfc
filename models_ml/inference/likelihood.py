"""How likely the decoder finds given molecules, conditioned as in generation: teacher forcing, no search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models_ml.inference.checkpoint import GlmrModel
from models_ml.networks.context import Memory
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import PAD

PAIRS_AT_ONCE = 256


def log_likelihoods(
    model: GlmrModel, memory: Memory, smiles: Sequence[Sequence[str]]
) -> list[NDArray[np.float64]]:
    """Natural log p(molecule | memory) of each row's molecules, summed over tokens, the end included.

    `smiles` has one list a row, and so has the answer.
    """
    rows = [row for row, some in enumerate(smiles) for _ in some]
    longest = model.network.config.max_tokens
    tokens = [model.tokenizer.encode(text, max_tokens=longest) for some in smiles for text in some]
    found = np.zeros(len(tokens))
    # Like lengths together: a batch costs as much as its longest molecule times its size.
    order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
    with torch.inference_mode():
        started = model.network.decoder.start(memory)
        for start in range(0, len(order), PAIRS_AT_ONCE):
            places = order[start : start + PAIRS_AT_ONCE]
            target = pad_tokens([tokens[place] for place in places]).to(model.device)
            state = started.select(torch.tensor([rows[place] for place in places], device=model.device))
            logits, _ = model.network.decoder(target[:, :-1], state)
            log_p = logits.float().log_softmax(-1).gather(2, target[:, 1:, None])[:, :, 0]
            found[places] = log_p.masked_fill(target[:, 1:] == PAD, 0.0).sum(1).double().cpu().numpy()
    return np.split(found, np.cumsum([len(some) for some in smiles])[:-1])
