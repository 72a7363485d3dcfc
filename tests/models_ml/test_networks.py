"""Shapes, padding invariance, causality, and that the network can overfit one batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

import torch
from torch.nn import functional

from models_ml.config import GlmrConfig, named_config
from models_ml.networks.context import NO_CANDIDATE, Candidates, Memory, PackedTokens
from models_ml.networks.fusion import FUSIONS
from models_ml.networks.glmr import GlmrNetwork
from models_ml.networks.spectrum import N_METADATA_TOKENS, SpectrumBatch
from models_ml.spectra.features import SpectrumFeatures
from models_ml.tensors import batch_of_features, pad_tokens
from models_ml.tokenizer import PAD

VOCABULARY = 40


def make_network(**changes: object) -> GlmrNetwork:
    torch.manual_seed(0)
    config = replace(named_config("tiny", vocabulary_size=VOCABULARY), **changes)  # type: ignore[arg-type]
    network = GlmrNetwork(config).eval()
    for parameter in network.parameters():  # parts that start as zero would hide errors
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def make_features(n_peaks: int, seed: int = 0) -> SpectrumFeatures:
    rng = np.random.default_rng(seed)
    mz = np.sort(rng.uniform(50, 400, n_peaks)).astype(np.float32)
    intensity = rng.uniform(0.01, 1, n_peaks).astype(np.float32)
    return SpectrumFeatures(mz, intensity, 420.1, adduct=2, energy=0.3, energy_kind=1)


def make_batch(*n_peaks: int) -> SpectrumBatch:
    return batch_of_features([make_features(n, seed) for seed, n in enumerate(n_peaks)])


def make_tokens(*lengths: int) -> torch.Tensor:
    rng = np.random.default_rng(1)
    return pad_tokens([[1, *rng.integers(5, VOCABULARY, n - 2).tolist(), 2] for n in lengths])


def test_spectrum_encoder_shapes() -> None:
    network = make_network()
    features, keep = network.spectrum_encoder(make_batch(7, 3))
    assert features.shape == (2, N_METADATA_TOKENS + 7, 32)
    assert keep.sum(1).tolist() == [N_METADATA_TOKENS + 7, N_METADATA_TOKENS + 3]
    embedded = network.spectrum_encoder.embed(features, keep)
    assert embedded.shape == (2, 32)
    assert torch.allclose(embedded.norm(dim=1), torch.ones(2), atol=1e-5)


def test_padding_peaks_have_no_effect() -> None:
    network = make_network(mz_bins=100)
    alone = network.embed_spectra(make_batch(3))
    padded = network.embed_spectra(batch_of_features([make_features(3), make_features(50, 9)]))
    assert torch.allclose(alone[0], padded[0], atol=1e-5)


@pytest.mark.parametrize("token_window", [0, 7])
def test_padding_tokens_have_no_effect(token_window: int) -> None:
    network = make_network(token_window=token_window)
    tokens = make_tokens(10, 30)
    alone = network.embed_molecules(tokens[:1, :10])
    padded = network.embed_molecules(tokens)
    assert torch.allclose(alone[0], padded[0], atol=1e-5)


def kept(memory: torch.Tensor, keep: torch.Tensor, row: int) -> torch.Tensor:
    return memory[row][keep[row]]


@pytest.mark.parametrize("kind", FUSIONS)
def test_padding_candidates_have_no_effect_even_without_real_ones(kind: str) -> None:
    network = make_network(fusion=kind)
    features, peaks = network.spectrum_encoder(make_batch(5, 5))
    candidates = torch.randn(2, 4, 32)
    keep = torch.tensor([[True, True, False, False], [False] * 4])
    memory = network.fusion(features, peaks, candidates, keep)
    trimmed = network.fusion(features[:1], peaks[:1], candidates[:1, :2], keep[:1, :2])
    other = network.fusion(features, peaks, torch.randn(2, 4, 32), keep)
    assert torch.allclose(kept(memory[0], memory[1], 0), kept(trimmed[0], trimmed[1], 0), atol=1e-5)
    assert torch.isfinite(memory[0]).all()
    assert torch.allclose(kept(memory[0], memory[1], 1), kept(other[0], other[1], 1), atol=1e-5)


@pytest.mark.parametrize("kind", FUSIONS)
def test_every_fusion_except_none_uses_candidates(kind: str) -> None:
    network = make_network(fusion=kind)
    features, peaks = network.spectrum_encoder(make_batch(5))
    keep = torch.ones(1, 4, dtype=torch.bool)
    memory, memory_keep = network.fusion(features, peaks, torch.randn(1, 4, 32), keep)
    other, _ = network.fusion(features, peaks, torch.randn(1, 4, 32), keep)
    assert memory.shape == (*memory_keep.shape, network.config.d_molecule)
    assert torch.allclose(memory, other, atol=1e-5) == (kind == "none")


def test_an_unknown_fusion_is_refused() -> None:
    with pytest.raises(ValueError, match="cross, average, concat, none"):
        make_network(fusion="crossed")


def test_a_stored_configuration_without_a_fusion_has_the_paper_s_fusion() -> None:
    stored = named_config("tiny", vocabulary_size=VOCABULARY).to_dict()
    del stored["fusion"]
    assert GlmrConfig.from_dict(stored).fusion == "cross"


def with_context(
    candidates_of: list[list[int]], similarity: list[list[float]]
) -> tuple[Memory, list[list[int]]]:
    """The memory of two spectra whose candidates have 2, 3, 4, ... tokens, and the indices read."""
    torch.manual_seed(1)
    network = make_network(context_molecules=2)
    features, peaks = network.spectrum_encoder(make_batch(5, 5))
    molecules = [torch.randn(2 + n, network.config.d_molecule) for n in range(4)]
    indices_read: list[list[int]] = []

    def read(indices: torch.Tensor) -> PackedTokens:
        indices_read.extend(indices.tolist())
        rows = [[molecules[n] for n in row if n != NO_CANDIDATE] for row in indices.tolist()]
        return PackedTokens.of(rows, molecules[0])

    keep = torch.tensor([[n in row for n in range(4)] for row in candidates_of])
    candidates = Candidates(torch.randn(2, 4, 32), keep, torch.tensor(similarity), read)
    with torch.inference_mode():
        return network.memory(features, peaks, candidates), indices_read


def test_the_most_similar_candidates_are_read_and_get_the_largest_bias() -> None:
    memory, indices = with_context([[0, 1, 2, 3], [1]], [[0.1, 0.9, 0.2, 0.8], [0.5] * 4])
    assert indices == [[1, 3], [1, NO_CANDIDATE]]
    n_spectrum_tokens = memory.tokens.shape[1] - (3 + 5)
    bias = memory.bias[0, n_spectrum_tokens:]
    first, second = set(bias[:3].tolist()), set(bias[3:].tolist())
    assert len(first) == len(second) == 1
    assert min(first) > max(second) > -torch.inf
    assert memory.bias[1, n_spectrum_tokens:].tolist() == [0.0] * 3 + [-torch.inf] * 5


def test_the_memory_of_a_spectrum_without_candidates_has_only_its_own_tokens() -> None:
    memory, indices = with_context([[0], []], [[0.5] * 4] * 2)
    assert indices[1] == [NO_CANDIDATE] * 2
    assert torch.isfinite(memory.tokens).all()
    assert (memory.bias[1, -2:] == -torch.inf).all()
    assert torch.isfinite(memory.bias[1, :-2]).all()


def test_the_decoder_is_causal() -> None:
    network = make_network()
    tokens = make_tokens(12, 12)
    changed = tokens.clone()
    changed[:, 6:] = 7
    memory, keep = torch.randn(2, 5, 32), torch.ones(2, 5, dtype=torch.bool)
    first, _ = network.decoder(tokens, network.decoder.start(Memory.of(memory, keep)))
    second, _ = network.decoder(changed, network.decoder.start(Memory.of(memory, keep)))
    assert torch.allclose(first[:, :6], second[:, :6], atol=1e-5)
    assert not torch.allclose(first[:, 6:], second[:, 6:], atol=1e-3)


def test_cached_steps_give_the_same_as_the_whole_prefix() -> None:
    network = make_network()
    tokens = make_tokens(12, 9)
    memory, keep = torch.randn(2, 5, 32), torch.tensor([[True] * 5, [True, True, False, False, False]])
    whole, _ = network.decoder(tokens, network.decoder.start(Memory.of(memory, keep)))
    state = network.decoder.start(Memory.of(memory, keep))
    for position in range(tokens.shape[1]):
        step, state = network.decoder(tokens[:, position : position + 1], state)
        assert torch.allclose(step[:, 0], whole[:, position], atol=1e-4)


def test_a_blind_network_ignores_peaks() -> None:
    network = make_network(spectrum_blind=True)
    first, second = network.embed_spectra(make_batch(5, 5))
    assert torch.allclose(first, second, atol=1e-6)


def test_the_network_can_overfit_one_batch() -> None:
    network = make_network().train()
    tokens, batch = make_tokens(10, 12, 8, 9), make_batch(5, 9, 3, 7)
    candidates, keep = torch.randn(4, 3, 32), torch.ones(4, 3, dtype=torch.bool)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(120):
        features, peaks = network.spectrum_encoder(batch)
        state = network.decoder.start(Memory.of(*network.fusion(features, peaks, candidates, keep)))
        logits, _ = network.decoder(tokens[:, :-1], state)
        loss = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=PAD)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert loss.item() < 0.05
