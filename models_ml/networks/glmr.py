"""The whole GLMR network: spectrum encoder, molecule encoder, fusion and decoder."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from models_ml.config import GlmrConfig
from models_ml.networks.context import CandidateContext, Candidates, Memory
from models_ml.networks.fusion import make_fusion
from models_ml.networks.molecule import MoleculeDecoder, MoleculeEncoder, TokenEmbedding
from models_ml.networks.spectrum import SpectrumBatch, SpectrumEncoder


class GlmrNetwork(nn.Module):
    def __init__(self, config: GlmrConfig) -> None:
        super().__init__()
        self.config = config
        embedding = TokenEmbedding(config)
        self.molecule_encoder = MoleculeEncoder(config, embedding)
        # The decoder has separate token vectors: it keeps learning while the encoder is frozen.
        self.decoder = MoleculeDecoder(config, TokenEmbedding(config))
        self.spectrum_encoder = SpectrumEncoder(config)
        self.fusion = make_fusion(config)
        self.context = CandidateContext(config) if config.context_molecules else None

    def embed_molecules(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T) to E^m (B, D), unit length."""
        return self.molecule_encoder.embed(self.molecule_encoder(tokens), tokens)

    def embed_spectra(self, batch: SpectrumBatch) -> Tensor:
        """To E^s (B, D), unit length."""
        features, keep = self.spectrum_encoder(batch)
        return self.spectrum_encoder.embed(features, keep)

    def memory(self, features: Tensor, keep: Tensor, candidates: Candidates) -> Memory:
        """H^s (B, T, Ds), its keep mask (B, T) and the candidates, to the memory that the decoder reads."""
        memory = Memory.of(*self.fusion(features, keep, candidates.embeddings, candidates.keep))
        return memory if self.context is None else self.context.join(memory, candidates)

    def replace_fusion(self, kind: str, context_molecules: int) -> None:
        """Replace fusion and context by untrained ones of that kind."""
        self.config = replace(self.config, fusion=kind, context_molecules=context_molecules)
        self.fusion = make_fusion(self.config)
        self.context = CandidateContext(self.config) if context_molecules else None
