"""Stage 1: the molecule side learns SMILES by removing noise, and its embedding learns the fingerprint.

Trains encoder, embedding head and decoder. The spectrum side is not involved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models_ml.config import named_config
from models_ml.networks.context import Memory
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import PAD, SmilesTokenizer
from models_ml.training.arrays import MoleculeArrays
from models_ml.training.batches import length_bucketed, mask_spans
from models_ml.training.run import StageRun, set_up, start_run
from models_ml.training.settings import PretrainSettings
from models_ml.training.states import load_state

FINGERPRINT_WEIGHT = 30.0  # scales the mean over 2048 mostly empty bits to the size of a token's NLL
MAX_PRETRAIN_TOKENS = 128  # 99 % of the structures; the rest would cost as much as thousands of short ones

PretrainBatch = tuple[Tensor, Tensor, Tensor, Tensor | None]


class PretrainHeads(nn.Module):
    """Used in this stage only: E^m as a decoder memory, and the 2048 fingerprint bits from E^m."""

    def __init__(self, network: GlmrNetwork) -> None:
        super().__init__()
        config = network.config
        self.to_memory = nn.Linear(config.embedding_dim, config.d_molecule)
        self.to_fingerprint = nn.Linear(config.embedding_dim, 2048)
        nn.init.constant_(self.to_fingerprint.bias, -3.5)  # about 1 bit of 45 is set

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """E^m (B, D) to one memory position (B, 1, Dm) and bit logits (B, 2048)."""
        # The entries of a unit vector are tiny. Scaled they have about unit variance.
        scaled = embedding * embedding.shape[1] ** 0.5
        return self.to_memory(scaled)[:, None], self.to_fingerprint(scaled)


def run_pretrain(settings: PretrainSettings) -> Path:
    """Returns the path of the state. The network of a warm start may lack parts of this one."""
    rng = set_up(settings)
    network = _new_network(settings)
    heads = PretrainHeads(network)
    if settings.warm_start is not None:
        state = load_state(settings.warm_start)
        network.load_state_dict(state["network"], strict=False)
        heads.load_state_dict(state["trained"]["heads"])
    trained = {"molecule_encoder": network.molecule_encoder, "decoder": network.decoder, "heads": heads}
    run = start_run(settings, network, trained)
    arrays = MoleculeArrays.load(settings.data / "pretrain.npz")
    train_pretrain(run, heads, pretrain_batches(arrays, settings, rng))
    return run.path


def train_pretrain(run: StageRun, heads: PretrainHeads, batches: Iterator[PretrainBatch]) -> None:
    """Train until the budget is spent."""
    run.network.train()
    run.pause()
    for batch in batches:
        if run.done:
            break
        source, target, bits, embedding_only = batch
        on_device = (
            source.to(run.device),
            target.to(run.device),
            bits.to(run.device),
            None if embedding_only is None else embedding_only.to(run.device),
        )
        with run.autocast():
            token_nll, bit_loss = pretrain_losses(run.network, heads, on_device)
        metrics = (
            {"bit_loss": bit_loss}
            if embedding_only is None
            else {"noisy_bit_loss": bit_loss, "token_nll": token_nll}
        )
        run.learn(token_nll + FINGERPRINT_WEIGHT * bit_loss, **metrics)
    run.save(finished=True)


def pretrain_batches(
    arrays: MoleculeArrays, settings: PretrainSettings, rng: np.random.Generator
) -> Iterator[PretrainBatch]:
    """Endless (source tokens, canonical tokens, fingerprint bits, rows whose decoder reads only E^m).

    In a step without the decoder the source is canonical and the last part is None.
    """
    lengths = arrays.lengths()
    usable = np.flatnonzero(lengths.max(1) <= MAX_PRETRAIN_TOKENS)
    while True:
        for batch in length_bucketed(lengths[usable, 0], settings.batch_size, rng):
            rows = usable[batch]
            targets = pad_tokens([arrays.spelling(row, 0) for row in rows])
            bits = torch.from_numpy(np.unpackbits(arrays.fingerprints[rows], axis=1))
            if rng.random() < settings.decoder_share:
                sources = pad_tokens([_noisy_spelling(arrays, row, settings, rng) for row in rows])
                embedding_only = torch.from_numpy(rng.random(len(rows)) < settings.embedding_only)
                yield sources, targets, bits, embedding_only
            else:
                yield targets, targets, bits, None


def pretrain_losses(
    network: GlmrNetwork, heads: PretrainHeads, batch: PretrainBatch
) -> tuple[Tensor, Tensor]:
    """Token NLL of the canonical spelling (0 without the decoder), and fingerprint cross-entropy per bit."""
    source, target, bits, embedding_only = batch
    features = network.molecule_encoder(source)
    to_memory, bit_logits = heads(network.molecule_encoder.embed(features, source))
    bit_loss = functional.binary_cross_entropy_with_logits(bit_logits.float(), bits.float())
    if embedding_only is None:
        return torch.zeros((), device=source.device), bit_loss
    keep = (source != PAD) & ~embedding_only[:, None]
    memory = torch.cat([to_memory.to(features.dtype), features], dim=1)
    state = network.decoder.start(Memory.of(memory, functional.pad(keep, (1, 0), value=True)))
    logits, _ = network.decoder(target[:, :-1], state)
    token_nll = functional.cross_entropy(
        logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD
    )
    return token_nll, bit_loss


def _new_network(settings: PretrainSettings) -> GlmrNetwork:
    tokenizer = SmilesTokenizer.load(settings.data / "tokenizer.json")
    config = named_config(settings.config, vocabulary_size=len(tokenizer))
    if settings.token_window is not None:
        config = replace(config, token_window=settings.token_window)
    return GlmrNetwork(config)


def _noisy_spelling(
    arrays: MoleculeArrays, row: int, settings: PretrainSettings, rng: np.random.Generator
) -> NDArray[np.uint16]:
    random = rng.random() < settings.random_spelling
    variant = int(rng.integers(1, arrays.spellings)) if random else 0
    tokens = arrays.spelling(row, variant)
    if rng.random() < settings.masked_rows:
        return mask_spans(tokens, settings.masked_tokens, rng)
    return tokens
