"""Loads a checkpoint folder as a model, and saves a trained network as a checkpoint folder.

Weights are safetensors files and are checked against the recorded hash. Nothing is unpickled.
Symbols: docs/glossary.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models_ml.checkpoint_info import (
    CONFIG_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BrokenCheckpoint,
    CheckpointInfo,
    file_sha256,
    read_checkpoint_info,
)
from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork
from models_ml.outcomes import Embedding
from models_ml.ranking.model import RankingModel, load_ranking
from models_ml.spectra.features import SpectrumFeatures
from models_ml.spectra.preprocess import PREPROCESS_VERSION
from models_ml.tensors import batch_of_features, batches_by_length, pad_tokens
from models_ml.tokenizer import PAD, SmilesTokenizer

ENCODE_BATCH = 128


class GlmrModel:
    """A trained network with its tokenizer and its description. Computes in float32."""

    def __init__(
        self,
        network: GlmrNetwork,
        tokenizer: SmilesTokenizer,
        info: CheckpointInfo,
        device: str,
        ranking: RankingModel | None = None,
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.info = info
        self.device = device
        self.ranking = ranking  # for method `fused`; without it every spectrum is ranked by `glmr`

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def sha256(self) -> str:
        return self.info.checkpoint_sha256

    @property
    def tokenizer_sha256(self) -> str:
        return self.info.tokenizer_sha256

    @property
    def embedding_dim(self) -> int:
        return self.info.embedding_dim

    def embed_molecules(self, smiles: Sequence[str]) -> Embedding:
        """E^m of canonical SMILES, (B, D) float32, unit length. Long SMILES are truncated."""
        vectors = np.zeros((len(smiles), self.embedding_dim), np.float32)
        with torch.inference_mode():
            for indices, tokens in self._token_batches(smiles):
                vectors[indices] = self.network.embed_molecules(tokens).cpu().numpy()
        return vectors

    def read_molecules(self, smiles: Sequence[str]) -> list[Tensor]:
        """H^m of each SMILES, (T, Dm), without padding. Long SMILES are truncated."""
        found: list[Tensor] = [torch.empty(0)] * len(smiles)
        with torch.inference_mode():
            for indices, tokens in self._token_batches(smiles):
                lengths = (tokens != PAD).sum(1).tolist()
                features = self.network.molecule_encoder(tokens)
                for index, length, molecule in zip(indices, lengths, features, strict=True):
                    found[index] = molecule[:length]
        return found

    def _token_batches(self, smiles: Sequence[str]) -> Iterator[tuple[list[int], Tensor]]:
        """Indices in `smiles` and their tokens (B, T) on the device."""
        max_tokens = self.network.config.max_tokens
        numbers = [self.tokenizer.encode(text, max_tokens=max_tokens) for text in smiles]
        for indices in batches_by_length(numbers, ENCODE_BATCH):
            yield indices, pad_tokens([numbers[index] for index in indices]).to(self.device)

    def encode_features(self, features: Sequence[SpectrumFeatures]) -> tuple[Embedding, Tensor, Tensor]:
        """E^s (B, D), H^s (B, T, Ds) and its keep mask (B, T)."""
        with torch.inference_mode():
            batch = batch_of_features(features).to(self.device)
            hidden, keep = self.network.spectrum_encoder(batch)
            embedded = self.network.spectrum_encoder.embed(hidden, keep)
        return embedded.cpu().numpy(), hidden, keep


def load_checkpoint(folder: Path, *, device: str = "cpu") -> GlmrModel:
    """Raises BrokenCheckpoint if files are missing or changed, or if the preprocessing version differs."""
    info = read_checkpoint_info(folder)
    if info.preprocess_version != PREPROCESS_VERSION:
        raise BrokenCheckpoint(
            f"{folder} was trained with preprocessing version {info.preprocess_version}; this release has "
            f"version {PREPROCESS_VERSION}. Use the release of the checkpoint, or train the checkpoint again."
        )
    network = GlmrNetwork(GlmrConfig.from_dict(info.config))
    weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS_FILE).items()}
    # Strict: a missing or extra weight is an error.
    network.load_state_dict(weights, strict=True)
    tokenizer = SmilesTokenizer.load(folder / TOKENIZER_FILE)
    return GlmrModel(network, tokenizer, info, device, load_ranking(folder, info.ranking_sha256))


def save_checkpoint(
    folder: Path, network: GlmrNetwork, tokenizer: SmilesTokenizer, *, name: str, training: Mapping[str, Any]
) -> CheckpointInfo:
    """Write weights (bfloat16), tokenizer and config. The evaluation adds model card and metrics."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        key: tensor.detach().cpu().bfloat16().contiguous() for key, tensor in network.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors makes it readable by its owner only
    tokenizer.save(folder / TOKENIZER_FILE)
    config = {
        "name": name,
        "method": "glmr",
        "network": network.config.to_dict(),
        "preprocess_version": PREPROCESS_VERSION,
        "license": "Apache-2.0",
        "training": dict(training),
        "checkpoint_sha256": file_sha256(folder / WEIGHTS_FILE),
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    return read_checkpoint_info(folder)
