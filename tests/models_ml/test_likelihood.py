"""Teacher-forced likelihoods: those of a plain loop, and the same alone as in a batch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

import torch

from models_ml.inference.checkpoint import GlmrModel
from models_ml.inference.likelihood import log_likelihoods
from models_ml.networks.context import Memory
from tests.tiny_checkpoint import MOLECULES


def by_a_plain_loop(model: GlmrModel, memory: Memory, smiles: str) -> float:
    tokens = torch.tensor([model.tokenizer.encode(smiles, max_tokens=64)])
    decoder = model.network.decoder
    state, total = decoder.start(memory), 0.0
    for place in range(tokens.shape[1] - 1):
        logits, state = decoder(tokens[:, place : place + 1], state)
        total += float(logits[0, 0].log_softmax(-1)[tokens[0, place + 1]])
    return total


def test_a_batch_gives_what_each_molecule_gives_alone(tiny_model: GlmrModel) -> None:
    torch.manual_seed(0)
    keep = torch.ones(2, 5, dtype=torch.bool)
    keep[1, 3:] = False
    memory = Memory.of(torch.randn(2, 5, 32), keep)
    asked = [list(MOLECULES[:3]), list(MOLECULES[4:9])]
    found = log_likelihoods(tiny_model, memory, asked)
    assert [len(one) for one in found] == [3, 5]
    with torch.inference_mode():
        for row, some in enumerate(asked):
            alone = log_likelihoods(tiny_model, memory.rows(slice(row, row + 1)), [some])
            np.testing.assert_allclose(alone[0], found[row], atol=1e-4)
            expected = [by_a_plain_loop(tiny_model, memory.rows(slice(row, row + 1)), one) for one in some]
            np.testing.assert_allclose(found[row], expected, atol=1e-3)
    assert log_likelihoods(tiny_model, memory, [[], ["CCO"]])[0].shape == (0,)
