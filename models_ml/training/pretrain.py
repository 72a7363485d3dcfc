"""Stage 1: the molecule side learns SMILES by undoing noise, and its embedding learns the fingerprint.

Trains encoder, embedding head and decoder; touches nothing of the spectrum side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.networks.context import Memory
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import PAD
from models_ml.training.arrays import MoleculeArrays
from models_ml.training.batches import length_bucketed, mask_spans
from models_ml.training.run import StageRun

FINGERPRINT_WEIGHT = 30.0  # brings the mean over 2048 mostly empty bits to the size of a token's NLL
MAX_PRETRAIN_TOKENS = 128  # 99 % of the structures; the rest would cost as much as thousands of short ones


@dataclass(frozen=True, slots=True)
class PretrainChoices:
    """How the encoder's input differs from the canonical spelling that the decoder must write."""

    random_spelling: float = 0.5  # share of rows in a random spelling
    masked_rows: float = 0.5  # share of rows with masked spans
    masked_tokens: float = 0.15  # of such a row
    embedding_only: float = 0.3  # share of rows whose decoder sees only E^m, as after the fusion
    # Share of steps that train the decoder too. The decoder learns its grammar soon; the fingerprint
    # needs many more molecules, and a step without the decoder costs less than half. Such steps read
    # the canonical spelling without masks, which is what every later stage reads.
    decoder_share: float = 1.0


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
        # A unit vector's entries are tiny; scaled they have about unit variance.
        scaled = embedding * embedding.shape[1] ** 0.5
        return self.to_memory(scaled)[:, None], self.to_fingerprint(scaled)


def pretrain_batches(
    arrays: MoleculeArrays, batch_size: int, choices: PretrainChoices, rng: np.random.Generator
) -> Iterator[PretrainBatch]:
    """Endless (source tokens, canonical tokens, fingerprint bits, rows whose decoder sees E^m alone).

    In a step without the decoder the source is canonical and the last part None.
    """
    lengths = arrays.lengths()
    usable = np.flatnonzero(lengths.max(1) <= MAX_PRETRAIN_TOKENS)
    while True:
        for batch in length_bucketed(lengths[usable, 0], batch_size, rng):
            rows = usable[batch]
            targets = pad_tokens([arrays.spelling(row, 0) for row in rows])
            bits = torch.from_numpy(np.unpackbits(arrays.fingerprints[rows], axis=1))
            if rng.random() < choices.decoder_share:
                sources = pad_tokens([_noisy(arrays, row, choices, rng) for row in rows])
                alone = torch.from_numpy(rng.random(len(rows)) < choices.embedding_only)
                yield sources, targets, bits, alone
            else:
                yield targets, targets, bits, None


def pretrain_losses(
    network: GlmrNetwork, heads: PretrainHeads, batch: PretrainBatch
) -> tuple[Tensor, Tensor]:
    """Token NLL of the canonical spelling (0 without the decoder), and fingerprint cross-entropy per bit."""
    source, target, bits, only_embedding = batch
    features = network.molecule_encoder(source)
    to_memory, bit_logits = heads(network.molecule_encoder.embed(features, source))
    bit_loss = functional.binary_cross_entropy_with_logits(bit_logits.float(), bits.float())
    if only_embedding is None:
        return torch.zeros((), device=source.device), bit_loss
    keep = (source != PAD) & ~only_embedding[:, None]
    memory = torch.cat([to_memory.to(features.dtype), features], dim=1)
    state = network.decoder.start(Memory.of(memory, functional.pad(keep, (1, 0), value=True)))
    logits, _ = network.decoder(target[:, :-1], state)
    token_nll = functional.cross_entropy(
        logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD
    )
    return token_nll, bit_loss


def pretrain(
    run: StageRun,
    heads: PretrainHeads,
    arrays: MoleculeArrays,
    *,
    batch_size: int,
    choices: PretrainChoices,
    rng: np.random.Generator,
) -> None:
    """Train until the run's budget is spent."""
    run.network.train()
    run.pause()
    for batch in pretrain_batches(arrays, batch_size, choices, rng):
        if run.done:
            break
        source, target, bits, alone = batch
        moved = (
            source.to(run.device),
            target.to(run.device),
            bits.to(run.device),
            None if alone is None else alone.to(run.device),
        )
        with run.autocast():
            token_nll, bit_loss = pretrain_losses(run.network, heads, moved)
        figures = (
            {"bit_loss": bit_loss} if alone is None else {"noisy_bit_loss": bit_loss, "token_nll": token_nll}
        )
        run.learn(token_nll + FINGERPRINT_WEIGHT * bit_loss, **figures)
    run.save(finished=True)


def _noisy(
    arrays: MoleculeArrays, row: int, choices: PretrainChoices, rng: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    variant = int(rng.integers(1, arrays.spellings)) if rng.random() < choices.random_spelling else 0
    tokens = arrays.spelling(row, variant)
    return mask_spans(tokens, choices.masked_tokens, rng) if rng.random() < choices.masked_rows else tokens
