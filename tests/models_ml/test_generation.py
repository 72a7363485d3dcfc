"""Beam search: correct, deterministic, bounded, and independent of the batch."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="networks need torch, which is not installed here")

import torch

from models_ml.config import named_config
from models_ml.evaluate.__main__ import main as evaluate
from models_ml.generation.beam_search import Beam, GenerationTooSlow, beam_search
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.standardise import standardise
from models_ml.networks.context import Memory
from models_ml.networks.molecule import MoleculeDecoder, TokenEmbedding
from models_ml.spectra.mgf_writer import write_mgf
from models_ml.tokenizer import BOS, EOS, MASK, PAD, UNK
from tests.tiny_checkpoint import MOLECULES

VOCABULARY = 8  # three tokens and the special ones


@pytest.fixture(scope="module")
def decoder() -> MoleculeDecoder:
    torch.manual_seed(3)
    config = named_config("tiny", vocabulary_size=VOCABULARY)
    decoder = MoleculeDecoder(config, TokenEmbedding(config)).eval()
    torch.nn.init.normal_(decoder.bias, std=0.5)
    return decoder


def make_memory(n: int, length: int = 4) -> Memory:
    torch.manual_seed(5)
    return Memory.of(torch.randn(n, length, 32), torch.ones(n, length, dtype=torch.bool))


def exhaustive(decoder: MoleculeDecoder, memory: Memory, max_tokens: int) -> list[Beam]:
    """Every string of at most `max_tokens` tokens, most likely first."""
    letters = range(5, VOCABULARY)
    found: list[Beam] = []
    for length in range(max_tokens + 1):
        for string in itertools.product(letters, repeat=length):
            tokens = (*string, EOS)[:max_tokens]
            logits, _ = decoder(torch.tensor([[BOS, *tokens[:-1]]]), decoder.start(memory))
            logits[..., [PAD, BOS, MASK, UNK]] = -torch.inf
            log_p = logits[0].log_softmax(-1)
            found.append(Beam(tokens, sum(float(log_p[n, token]) for n, token in enumerate(tokens))))
    return sorted(set(found), key=lambda beam: -beam.log_likelihood)


def test_a_wide_beam_finds_the_most_likely_strings(decoder: MoleculeDecoder) -> None:
    memory = make_memory(1)
    with torch.inference_mode():
        best = exhaustive(decoder, memory, max_tokens=4)[:3]
    found = beam_search(decoder, memory, beam_size=60, max_tokens=4)[0][:3]
    assert [beam.tokens for beam in found] == [beam.tokens for beam in best]
    for beam, expected in zip(found, best, strict=True):
        assert beam.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-4)


def test_beams_are_distinct_and_sorted_by_likelihood(decoder: MoleculeDecoder) -> None:
    memory = make_memory(3)
    for beams in beam_search(decoder, memory, beam_size=5, max_tokens=30):
        likelihoods = [beam.log_likelihood for beam in beams]
        assert likelihoods == sorted(likelihoods, reverse=True)
        assert len({beam.tokens for beam in beams}) == 5


def test_a_batch_gives_the_same_as_its_memories_alone(decoder: MoleculeDecoder) -> None:
    memory = make_memory(6)
    memory.bias[2:, 2:] = -torch.inf
    memory.bias[1, :2] = -1.5
    batch = beam_search(decoder, memory, beam_size=4, max_tokens=40)
    for n in range(6):
        alone = beam_search(decoder, memory.rows(slice(n, n + 1)), beam_size=4, max_tokens=40)[0]
        assert [beam.tokens for beam in alone] == [beam.tokens for beam in batch[n]]


def test_the_search_is_deterministic(decoder: MoleculeDecoder) -> None:
    memory = make_memory(2)
    first = beam_search(decoder, memory, beam_size=5, max_tokens=40)
    assert first == beam_search(decoder, memory, beam_size=5, max_tokens=40)


def test_strings_keep_to_the_length_limit(decoder: MoleculeDecoder) -> None:
    memory = make_memory(2)
    for beams in beam_search(decoder, memory, beam_size=3, max_tokens=5):
        assert all(len(beam.tokens) <= 5 for beam in beams)


def test_the_deadline_ends_the_search(decoder: MoleculeDecoder) -> None:
    memory = make_memory(1)
    with pytest.raises(GenerationTooSlow, match="Lower the batch size"):
        beam_search(decoder, memory, beam_size=60, max_tokens=40, deadline_s=0.0)


def test_the_command_measures_every_constraint(tiny_checkpoint: Path, tmp_path: Path) -> None:
    library, spectra, out = tmp_path / "library.smi", tmp_path / "spectra.mgf", tmp_path / "out.json"
    library.write_text("\n".join(MOLECULES))
    with spectra.open("w") as stream:
        write_mgf([fragment_spectrum(standardise(smiles).smiles) for smiles in MOLECULES[:4]], stream)
    paths = ["--spectra", str(spectra), "--library", str(library), "--checkpoint", str(tiny_checkpoint)]
    evaluate(["generation", *paths, "--mass", "0.5", "--out", str(out)])
    rows = json.loads(out.read_text())["rows"]
    assert list(rows) == ["none", "syntax", "mass 0.5", "syntax, mass 0.5", "default, no candidates",
                          "default, wrong peaks"]  # fmt: skip
    assert all(0 <= row["valid"] <= 1 and row["seconds_each"] > 0 for row in rows.values())
