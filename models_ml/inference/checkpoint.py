"""A checkpoint folder as a loaded model, and a trained network as a checkpoint folder.

Weights are safetensors, checked against the recorded hash; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models_ml.checkpoint_info import (
    CARD_FILE,
    CONFIG_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BrokenCheckpoint,
    CheckpointInfo,
    read_checkpoint_info,
)
from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork
from models_ml.outcomes import Embedding
from models_ml.ranking.model import RankingModel, load_ranking
from models_ml.spectra.features import SpectrumFeatures, spectrum_features
from models_ml.spectra.preprocess import PREPROCESS_VERSION
from models_ml.spectra.spectrum import Spectrum
from models_ml.tensors import batch_of_features, pad_tokens
from models_ml.tokenizer import PAD, SmilesTokenizer

ENCODE_BATCH = 128


class GlmrModel:
    """A trained network with its tokenizer and its papers, ready to be asked. Computes in float32."""

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
        self.ranking = ranking  # what method `fused` needs; without it every spectrum is ranked by glmr

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

    @property
    def card(self) -> str:
        path = self.info.folder / CARD_FILE
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def embed_molecules(self, smiles: Sequence[str]) -> Embedding:
        """E^m of canonical SMILES, (B, D) float32, unit length. Long SMILES lose their tail."""
        vectors = np.zeros((len(smiles), self.embedding_dim), np.float32)
        with torch.inference_mode():
            for places, tokens in self._token_batches(smiles):
                vectors[places] = self.network.embed_molecules(tokens).cpu().numpy()
        return vectors

    def read_molecules(self, smiles: Sequence[str]) -> list[Tensor]:
        """Token features H^m of each, (L, Dm). Long SMILES lose their tail."""
        found: list[Tensor] = [torch.empty(0)] * len(smiles)
        with torch.inference_mode():
            for places, tokens in self._token_batches(smiles):
                lengths = (tokens != PAD).sum(1).tolist()
                features = self.network.molecule_encoder(tokens)
                for place, length, one in zip(places, lengths, features, strict=True):
                    found[place] = one[:length]
        return found

    def _token_batches(self, smiles: Sequence[str]) -> Iterator[tuple[list[int], Tensor]]:
        """Places in `smiles` and their tokens (B, T) on the device.

        Like lengths together: a batch costs as much as its longest molecule times its size.
        """
        longest = self.network.config.max_tokens
        numbers = [self.tokenizer.encode(text, max_tokens=longest) for text in smiles]
        order = sorted(range(len(numbers)), key=lambda place: len(numbers[place]))
        for start in range(0, len(order), ENCODE_BATCH):
            places = order[start : start + ENCODE_BATCH]
            yield places, pad_tokens([numbers[place] for place in places]).to(self.device)

    def embed_spectra(self, spectra: Sequence[Spectrum]) -> Embedding:
        """E^s, (B, D) float32, unit length. Every spectrum must name its precursor and adduct."""
        features: list[SpectrumFeatures] = []
        for place, spectrum in enumerate(spectra):
            if spectrum.adduct is None:
                raise ValueError(f"Spectrum {place} names no adduct; set it before embedding.")
            features.append(
                spectrum_features(spectrum, spectrum.adduct, max_peaks=self.network.config.max_peaks)
            )
        if not features:
            return np.zeros((0, self.embedding_dim), np.float32)
        embedded, _, _ = self.encode_features(features)
        return embedded

    def encode_features(self, features: Sequence[SpectrumFeatures]) -> tuple[Embedding, Tensor, Tensor]:
        """E^s (B, D), token features H^s (B, T, Ds) and their keep mask (B, T)."""
        with torch.inference_mode():
            batch = batch_of_features(features).to(self.device)
            hidden, keep = self.network.spectrum_encoder(batch)
            embedded = self.network.spectrum_encoder.embed(hidden, keep)
        return embedded.cpu().numpy(), hidden, keep


def load_checkpoint(folder: Path, *, device: str = "cpu") -> GlmrModel:
    """Raises BrokenCheckpoint if files are missing, changed, or of another preprocessing than this code's."""
    info = read_checkpoint_info(folder)
    if info.preprocess_version != PREPROCESS_VERSION:
        raise BrokenCheckpoint(
            f"{folder} was trained with preprocessing {info.preprocess_version}; this code does "
            f"{PREPROCESS_VERSION}. Use the release that the checkpoint came with, or train it anew."
        )
    network = GlmrNetwork(GlmrConfig.from_dict(info.config))
    weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS_FILE).items()}
    # The encoder's and decoder's parts are all stored; strict loading refuses a missing or extra one.
    network.load_state_dict(weights, strict=True)
    tokenizer = SmilesTokenizer.load(folder / TOKENIZER_FILE)
    return GlmrModel(network, tokenizer, info, device, load_ranking(folder, info.ranking_sha256))


def save_checkpoint(
    folder: Path, network: GlmrNetwork, tokenizer: SmilesTokenizer, *, name: str, training: Mapping[str, Any]
) -> CheckpointInfo:
    """Write weights (bfloat16), tokenizer and config. Card and metrics come from whoever measures."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        key: tensor.detach().cpu().bfloat16().contiguous() for key, tensor in network.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors makes it readable by its writer alone
    tokenizer.save(folder / TOKENIZER_FILE)
    config = {
        "name": name,
        "method": "glmr",
        "network": network.config.to_dict(),
        "preprocess_version": PREPROCESS_VERSION,
        "license": "Apache-2.0",
        "training": dict(training),
        "checkpoint_sha256": hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest(),
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    return read_checkpoint_info(folder)
