"""Strings per second of our beam search and of Hugging Face `generate`: same weights, memory and beam.

`make bench` prints both. Our decoder fits a stock Pegasus weight for weight, which is first checked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, TypeAlias

import pytest

pytest.importorskip("torch", reason="generation needs torch, which is not installed here")

import torch
from torch import Tensor, nn

from models_ml.generation.beam_search import Beam, BeamConstraints, beam_search
from models_ml.inference import annotate
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.molecules.standardise import standardise
from models_ml.molecules.well_known import demonstration_spectra, well_known_molecules
from models_ml.networks.attention import Attention, DecoderBlock
from models_ml.networks.context import Memory
from models_ml.networks.molecule import MoleculeDecoder
from models_ml.outcomes import AnnotateParams, Query, Retrieved
from models_ml.spectra.precursor_window import PreparedSpectrum
from models_ml.spectra.spectrum import Spectrum
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import BOS, EOS, MASK, PAD, UNK
from tests.benchmarks.test_annotate_speed import BATCH, CHECKPOINT

transformers = pytest.importorskip(
    "transformers", reason="the comparison needs transformers, which only `make bench` installs"
)

GOAL = 5.0  # what is asked of like for like; see the assertion for what is held
ROUNDS = 3
PARAMS = AnnotateParams()
ANY_MASS_DA = 1e6
NEVER = [PAD, BOS, MASK, UNK]  # tokens that our search refuses

pytestmark = pytest.mark.timeout(3600)

Strings: TypeAlias = list[list[tuple[int, ...]]]  # tokens of the beams of each spectrum, best first


@dataclass(frozen=True)
class Load:
    """How many spectra, and in which batches. A GPU that is given few spends its time on launches."""

    ours: int
    theirs: tuple[int, ...]
    copies: int  # of the demonstration spectra


LOADS = {"cpu": Load(BATCH, (1, 8, 16, 64), 1), "cuda": Load(1024, (64, 256, 1024), 14)}


@dataclass(frozen=True)
class Asked:
    """What `generate_molecules` hands to the beam search for one batch."""

    memory: Memory
    constraints: BeamConstraints | None


def test_generation_against_hugging_face(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not CHECKPOINT.is_dir():
        pytest.skip(f"needs the shipped checkpoint in {CHECKPOINT.name}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    load = LOADS[device]
    model = load_checkpoint(CHECKPOINT, device=device)
    molecules = [standardise(molecule.smiles) for molecule in well_known_molecules()]
    library = InMemoryLibrary(molecules, model.embed_molecules([molecule.smiles for molecule in molecules]))
    spectra = demonstration_spectra() * load.copies
    batches = {size: _asked(model, library, spectra, size, monkeypatch) for size in {load.ours, *load.theirs}}
    decoder, theirs = model.network.decoder, _pegasus(model)

    ours_found = [beams for asked in batches[load.ours] for beams in _ours(decoder, asked, bare=True)]
    gap = max(
        _logit_gap(decoder, theirs, asked, ours_found[n * load.ours : (n + 1) * load.ours])
        for n, asked in enumerate(batches[load.ours])
    )
    assert gap < 1e-4
    theirs_found = [beams for asked in batches[load.ours] for beams in _theirs(theirs, asked)]
    agreeing = sum(ours[0].tokens == best[0] for ours, best in zip(ours_found, theirs_found, strict=True))
    assert agreeing >= 0.9 * len(ours_found)

    def run_theirs(size: int) -> int:
        return sum(len(beams) for asked in batches[size] for beams in _theirs(theirs, asked))

    def run_ours(bare: bool) -> int:
        return sum(len(beams) for asked in batches[load.ours] for beams in _ours(decoder, asked, bare=bare))

    run_ours(bare=False)  # the warm-up; both unconstrained ones have run above
    by_size = {size: _rate(lambda size=size: run_theirs(size)) for size in load.theirs}  # type: ignore[misc]
    fastest = max(by_size, key=lambda size: by_size[size])
    bare, constrained, their_best = _rates(
        [lambda: run_ours(bare=True), lambda: run_ours(bare=False), lambda: run_theirs(fastest)]
    )
    ratio = bare / their_best

    with capsys.disabled():
        print(f"\n{device}, {torch.get_num_threads()} threads, beam {PARAMS.beam_size}, {model.name}")
        print(f"same best string {agreeing} of {len(ours_found)}; logits differ by at most {gap:.1e}")
        for size, rate in by_size.items():
            print(f"  transformers {transformers.__version__}, batch {size:<4} one run{rate:8.1f} strings/s")
        print(f"medians of {ROUNDS} alternating runs:")
        print(f"  transformers, batch {fastest:<4} (its fastest){their_best:8.1f} strings/s")
        print(f"  ours, batch {load.ours:<4} unconstrained        {bare:8.1f} strings/s")
        print(f"  ours, batch {load.ours:<4} server's constraints {constrained:8.1f} strings/s")
        print(f"  ratio unconstrained {ratio:.2f} (goal {GOAL}), constrained {constrained / their_best:.2f}")
    # Whether the goal is reached depends on the processor (DECISIONS.md): its products both must do.
    assert ratio > 1


def _asked(
    model: GlmrModel,
    library: InMemoryLibrary,
    spectra: Sequence[Spectrum],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Asked]:
    """The spectra in batches, as the server's own path prepares them for its search."""
    asked: list[Asked] = []

    def note(_: MoleculeDecoder, memory: Memory, **given: Any) -> list[list[Beam]]:
        asked.append(Asked(memory, given["constraints"]))
        return [[] for _ in memory.tokens]

    def nearest_of_all(queries: Sequence[Query], k: int) -> Sequence[Retrieved]:
        # A window of a real library holds tens of molecules, one of the demonstration's a few.
        return library.retrieve([replace(query, tolerance_da=ANY_MASS_DA) for query in queries], k)

    answers = annotate.preprocess_spectra(spectra, model, PARAMS)
    questions = [answer for answer in answers if isinstance(answer, PreparedSpectrum)]
    with monkeypatch.context() as patched:
        patched.setattr(annotate, "beam_search", note)
        for first in range(0, len(questions), size):
            batch = questions[first : first + size]
            embeddings, features, keep = annotate.embed_spectra(batch, model)
            found = annotate.retrieve_candidates(batch, embeddings, nearest_of_all, PARAMS)
            annotate.generate_molecules(batch, found, features, keep, model, PARAMS)
    return asked


def _ours(decoder: MoleculeDecoder, asked: Asked, *, bare: bool) -> list[list[Beam]]:
    return beam_search(
        decoder,
        asked.memory,
        beam_size=PARAMS.beam_size,
        max_tokens=PARAMS.max_tokens,
        constraints=None if bare else asked.constraints,
    )


def _theirs(pegasus: Any, asked: Asked) -> Strings:
    """The same by `generate`. Length penalty 0: strings are compared by their whole likelihood, as ours."""
    with torch.inference_mode():
        written = pegasus.generate(
            encoder_outputs=_memory_of(asked),
            attention_mask=asked.memory.bias,
            num_beams=PARAMS.beam_size,
            num_return_sequences=PARAMS.beam_size,
            do_sample=False,
            length_penalty=0.0,
            max_new_tokens=PARAMS.max_tokens,
            use_cache=True,
        )
    strings = [_until_end(row) for row in written[:, 1:].tolist()]
    return [strings[first : first + PARAMS.beam_size] for first in range(0, len(strings), PARAMS.beam_size)]


def _until_end(tokens: list[int]) -> tuple[int, ...]:
    return tuple(tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens)


def _memory_of(asked: Asked) -> Any:
    return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=asked.memory.tokens)


def _logit_gap(
    decoder: MoleculeDecoder, pegasus: Any, asked: Asked, found: Sequence[Sequence[Beam]]
) -> float:
    """By how much the two differ at most, given the same string up to each token."""
    tokens = pad_tokens([[BOS, *beams[0].tokens] for beams in found]).to(asked.memory.tokens.device)
    with torch.inference_mode():
        ours, _ = decoder(tokens, decoder.start(asked.memory))
        theirs = pegasus(
            encoder_outputs=_memory_of(asked), attention_mask=asked.memory.bias, decoder_input_ids=tokens
        ).logits
    written = [token for token in range(ours.shape[2]) if token not in NEVER]
    return float((ours - theirs)[..., written].abs().max())


def _rate(run: Callable[[], int]) -> float:
    began = time.perf_counter()
    n_strings = run()
    return n_strings / (time.perf_counter() - began)


def _rates(runs: Sequence[Callable[[], int]]) -> list[float]:
    """Median of each, in turn, so that what else the machine does falls on all of them."""
    rates = [[_rate(run) for run in runs] for _ in range(ROUNDS)]
    return [median(column) for column in zip(*rates, strict=True)]


def _pegasus(model: GlmrModel) -> Any:
    """A stock decoder with our weights: pre-norm, GELU, fixed positions, scaled and tied embeddings."""
    config, decoder = model.network.config, model.network.decoder
    pegasus = transformers.PegasusForConditionalGeneration(
        transformers.PegasusConfig(
            vocab_size=config.vocabulary_size,
            d_model=config.d_molecule,
            encoder_layers=1,  # never run: the memory is given
            decoder_layers=config.molecule_layers,
            encoder_attention_heads=config.molecule_heads,
            decoder_attention_heads=config.molecule_heads,
            decoder_ffn_dim=config.molecule_ff,
            activation_function="gelu",
            scale_embedding=True,
            max_position_embeddings=config.max_tokens,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
            decoder_start_token_id=BOS,
            forced_eos_token_id=None,
        )
    ).requires_grad_(False)
    stock = pegasus.model.decoder
    pegasus.model.shared.weight.copy_(decoder.embedding.tokens.weight)
    stock.embed_positions.weight.copy_(decoder.embedding.positions)
    stock.layer_norm.load_state_dict(decoder.norm.state_dict())
    pegasus.final_logits_bias.copy_(decoder.bias)
    pegasus.final_logits_bias[:, NEVER] = -torch.inf  # what our search does to the logits
    for layer, block in zip(stock.layers, decoder.blocks, strict=True):
        assert isinstance(block, DecoderBlock)
        _copy_attention(layer.self_attn, block.self_attention)
        _copy_attention(layer.encoder_attn, block.memory_attention)
        for part, own in (
            (layer.self_attn_layer_norm, block.norm_self),
            (layer.encoder_attn_layer_norm, block.norm_memory),
            (layer.final_layer_norm, block.norm_ff),
            (layer.fc1, block.ff.inner),
            (layer.fc2, block.ff.outer),
        ):
            part.load_state_dict(own.state_dict())
    stock.register_forward_pre_hook(_bias_as_it_is, with_kwargs=True)
    return pegasus.to(model.device).eval()


def _bias_as_it_is(_: nn.Module, arguments: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """`generate` carries only masks (B, S); of four axes the decoder adds it to its logits as it is."""
    return arguments, given | {"encoder_attention_mask": given["encoder_attention_mask"][:, None, None, :]}


def _copy_attention(stock: Any, own: Attention) -> None:
    _copy_linear(stock.q_proj, own.query.weight, own.query.bias)
    weights, biases = own.key_value.weight.chunk(2), own.key_value.bias.chunk(2)
    for part, weight, bias in zip((stock.k_proj, stock.v_proj), weights, biases, strict=True):
        _copy_linear(part, weight, bias)
    _copy_linear(stock.out_proj, own.out.weight, own.out.bias)


def _copy_linear(stock: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    stock.load_state_dict({"weight": weight, "bias": bias})
