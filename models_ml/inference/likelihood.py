"""Log likelihoods that the decoder gives to known molecules, by teacher forcing. No search.

Symbols: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models_ml.inference.checkpoint import GlmrModel
from models_ml.networks.context import Memory
from models_ml.tensors import batches_by_length, pad_tokens
from models_ml.tokenizer import PAD

PAIRS_PER_BATCH = 256


def log_likelihoods(
    model: GlmrModel, memory: Memory, smiles: Sequence[Sequence[str]]
) -> list[NDArray[np.float64]]:
    """Natural log p(molecule | memory), summed over tokens, EOS included.

    `smiles` has one list of molecules for each row of `memory`, and so has the result.
    """
    rows = [row for row, molecules in enumerate(smiles) for _ in molecules]
    max_tokens = model.network.config.max_tokens
    tokens = [model.tokenizer.encode(text, max_tokens=max_tokens) for row in smiles for text in row]
    found = np.zeros(len(tokens))
    with torch.inference_mode():
        initial = model.network.decoder.start(memory)
        for indices in batches_by_length(tokens, PAIRS_PER_BATCH):
            target = pad_tokens([tokens[index] for index in indices]).to(model.device)
            state = initial.select(torch.tensor([rows[index] for index in indices], device=model.device))
            logits, _ = model.network.decoder(target[:, :-1], state)
            log_p = logits.float().log_softmax(-1).gather(2, target[:, 1:, None])[:, :, 0]
            found[indices] = log_p.masked_fill(target[:, 1:] == PAD, 0.0).sum(1).double().cpu().numpy()
    return np.split(found, np.cumsum([len(molecules) for molecules in smiles])[:-1])
