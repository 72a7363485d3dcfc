"""Teacher-forced likelihoods: equal to those of a token-by-token loop, and independent of the batch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

import torch

from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.likelihood import log_likelihoods
from models_ml.networks.context import Memory
from tests.tiny_checkpoint import MOLECULES


def token_by_token(model: GlmrModel, memory: Memory, smiles: str) -> float:
    tokens = torch.tensor([model.tokenizer.encode(smiles, max_tokens=64)])
    decoder = model.network.decoder
    state, total = decoder.start(memory), 0.0
    for position in range(tokens.shape[1] - 1):
        logits, state = decoder(tokens[:, position : position + 1], state)
        total += float(logits[0, 0].log_softmax(-1)[tokens[0, position + 1]])
    return total


def test_a_batch_gives_the_same_as_each_molecule_alone(tiny_model: GlmrModel) -> None:
    torch.manual_seed(0)
    keep = torch.ones(2, 5, dtype=torch.bool)
    keep[1, 3:] = False
    memory = Memory.of(torch.randn(2, 5, 32), keep)
    smiles = [list(MOLECULES[:3]), list(MOLECULES[4:9])]
    batch = log_likelihoods(tiny_model, memory, smiles)
    assert [len(likelihoods) for likelihoods in batch] == [3, 5]
    with torch.inference_mode():
        for row, molecules in enumerate(smiles):
            row_memory = memory.rows(slice(row, row + 1))
            alone = log_likelihoods(tiny_model, row_memory, [molecules])
            np.testing.assert_allclose(alone[0], batch[row], atol=1e-4)
            expected = [token_by_token(tiny_model, row_memory, molecule) for molecule in molecules]
            np.testing.assert_allclose(batch[row], expected, atol=1e-3)
    assert log_likelihoods(tiny_model, memory, [[], ["CCO"]])[0].shape == (0,)
