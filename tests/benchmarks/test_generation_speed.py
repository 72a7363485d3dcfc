"""Strings per second of our beam search and of Hugging Face `generate`, with equal weights, memory and beams.

`make bench` prints both. Our decoder has the same weights as a standard Pegasus; the test first checks this.
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
from models_ml.inference.annotate import embed_spectra, preprocess, retrieve_candidates
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint
from models_ml.inference.feature_work import FeatureWork
from models_ml.inference.memory_index import InMemoryLibrary
from models_ml.inference.molecule_generation import beam_constraints, build_memory
from models_ml.molecules.standardise import standardise
from models_ml.networks.attention import Attention, DecoderBlock
from models_ml.networks.context import Memory
from models_ml.networks.molecule import MoleculeDecoder
from models_ml.outcomes import AnnotateParams, Query, Retrieved
from models_ml.spectra.spectrum import Spectrum
from models_ml.tensors import pad_tokens
from models_ml.tokenizer import BOS, EOS, MASK, PAD, UNK
from tests.benchmarks.test_annotate_speed import BATCH, CHECKPOINT
from tests.well_known import computed_spectra, well_known_molecules

transformers = pytest.importorskip(
    "transformers", reason="the comparison needs transformers, which only `make bench` installs"
)

GOAL = 5.0  # the intended ratio; the assertion at the end states what is guaranteed
ROUNDS = 3
PARAMS = AnnotateParams()
ANY_MASS_DA = 1e6
NEVER = [PAD, BOS, MASK, UNK]  # tokens that our search refuses

pytestmark = pytest.mark.timeout(3600)

Strings: TypeAlias = list[list[tuple[int, ...]]]  # tokens of the beams of each spectrum, best first


@dataclass(frozen=True)
class Load:
    """Number of spectra and batch sizes. A GPU with small batches spends its time on kernel launches."""

    ours: int
    theirs: tuple[int, ...]
    copies: int  # of the computed spectra


LOADS = {"cpu": Load(BATCH, (1, 8, 16, 64), 1), "cuda": Load(1024, (64, 256, 1024), 14)}


@dataclass(frozen=True)
class SearchInput:
    """Input of the beam search for one batch, as `generate_molecules` makes it."""

    memory: Memory
    constraints: BeamConstraints | None


def test_generation_against_hugging_face(capsys: pytest.CaptureFixture[str]) -> None:
    if not CHECKPOINT.is_dir():
        pytest.skip(f"needs the shipped checkpoint in {CHECKPOINT.name}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    load = LOADS[device]
    model = load_checkpoint(CHECKPOINT, device=device)
    molecules = [standardise(molecule.smiles) for molecule in well_known_molecules()]
    library = InMemoryLibrary(molecules, model.embed_molecules([molecule.smiles for molecule in molecules]))
    spectra = computed_spectra() * load.copies
    inputs = {size: _search_inputs(model, library, spectra, size) for size in {load.ours, *load.theirs}}
    decoder, pegasus = model.network.decoder, _pegasus(model)

    found = [beams for batch in inputs[load.ours] for beams in _ours(decoder, batch, constrained=False)]
    gap = max(
        _logit_gap(decoder, pegasus, batch, found[n * load.ours : (n + 1) * load.ours])
        for n, batch in enumerate(inputs[load.ours])
    )
    assert gap < 1e-4
    expected = [strings for batch in inputs[load.ours] for strings in _theirs(pegasus, batch)]
    agreeing = sum(beams[0].tokens == strings[0] for beams, strings in zip(found, expected, strict=True))
    assert agreeing >= 0.9 * len(found)

    def run_theirs(size: int) -> int:
        return sum(len(strings) for batch in inputs[size] for strings in _theirs(pegasus, batch))

    def run_ours(*, constrained: bool) -> int:
        batches = inputs[load.ours]
        return sum(
            len(beams) for batch in batches for beams in _ours(decoder, batch, constrained=constrained)
        )

    run_ours(constrained=True)  # warm-up; both unconstrained searches ran above
    by_size = {size: _rate(lambda size=size: run_theirs(size)) for size in load.theirs}  # type: ignore[misc]
    fastest = max(by_size, key=lambda size: by_size[size])
    unconstrained, constrained, theirs = _rates(
        [lambda: run_ours(constrained=False), lambda: run_ours(constrained=True), lambda: run_theirs(fastest)]
    )
    with capsys.disabled():
        print(f"\n{device}, {torch.get_num_threads()} threads, beam {PARAMS.beam_size}, {model.name}")
        print(f"same best string {agreeing} of {len(found)}; logits differ by at most {gap:.1e}")
        for size, rate in by_size.items():
            print(f"  transformers {transformers.__version__}, batch {size:<4} one run{rate:8.1f} strings/s")
        _print_rates(load.ours, fastest, unconstrained, constrained, theirs)
    # The processor decides whether the goal is reached (DECISIONS.md): both spend time on the same products.
    assert unconstrained > theirs


def _print_rates(
    our_size: int, their_size: int, unconstrained: float, constrained: float, theirs: float
) -> None:
    """In strings per second."""
    print(f"medians of {ROUNDS} alternating runs:")
    print(f"  transformers, batch {their_size:<4} (its fastest){theirs:8.1f} strings/s")
    print(f"  ours, batch {our_size:<4} unconstrained        {unconstrained:8.1f} strings/s")
    print(f"  ours, batch {our_size:<4} server's constraints {constrained:8.1f} strings/s")
    ratio = unconstrained / theirs
    print(f"  ratio unconstrained {ratio:.2f} (goal {GOAL}), constrained {constrained / theirs:.2f}")


def _search_inputs(
    model: GlmrModel, library: InMemoryLibrary, spectra: Sequence[Spectrum], size: int
) -> list[SearchInput]:
    """The spectra in batches, prepared by the stages of `annotate`."""

    def retrieve(queries: Sequence[Query], k: int) -> Sequence[Retrieved]:
        # A mass window of a real library holds tens of molecules, one of the well-known molecules only a
        # few.
        return library.retrieve([replace(query, tolerance_da=ANY_MASS_DA) for query in queries], k)

    works = [FeatureWork.of(spectrum) for spectrum in spectra]
    preprocess(works, model, PARAMS)
    inputs: list[SearchInput] = []
    for first in range(0, len(works), size):
        batch = works[first : first + size]
        embed_spectra(batch, model)
        retrieve_candidates(batch, retrieve, PARAMS)
        inputs.append(SearchInput(build_memory(batch, model, PARAMS), beam_constraints(batch, model, PARAMS)))
    return inputs


def _ours(decoder: MoleculeDecoder, batch: SearchInput, *, constrained: bool) -> list[list[Beam]]:
    return beam_search(
        decoder,
        batch.memory,
        beam_size=PARAMS.beam_size,
        max_tokens=PARAMS.max_tokens,
        constraints=batch.constraints if constrained else None,
    )


def _theirs(pegasus: Any, batch: SearchInput) -> Strings:
    """The same by `generate`. With length penalty 0 it compares strings by total likelihood, as we do."""
    with torch.inference_mode():
        sequences = pegasus.generate(
            encoder_outputs=_memory_of(batch),
            attention_mask=batch.memory.bias,
            num_beams=PARAMS.beam_size,
            num_return_sequences=PARAMS.beam_size,
            do_sample=False,
            length_penalty=0.0,
            max_new_tokens=PARAMS.max_tokens,
            use_cache=True,
        )
    strings = [_until_end(row) for row in sequences[:, 1:].tolist()]
    return [strings[first : first + PARAMS.beam_size] for first in range(0, len(strings), PARAMS.beam_size)]


def _until_end(tokens: list[int]) -> tuple[int, ...]:
    return tuple(tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens)


def _memory_of(batch: SearchInput) -> Any:
    return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=batch.memory.tokens)


def _logit_gap(
    decoder: MoleculeDecoder, pegasus: Any, batch: SearchInput, found: Sequence[Sequence[Beam]]
) -> float:
    """Largest difference between the logits of both decoders, given the same strings."""
    tokens = pad_tokens([[BOS, *beams[0].tokens] for beams in found]).to(batch.memory.tokens.device)
    with torch.inference_mode():
        ours, _ = decoder(tokens, decoder.start(batch.memory))
        theirs = pegasus(
            encoder_outputs=_memory_of(batch), attention_mask=batch.memory.bias, decoder_input_ids=tokens
        ).logits
    allowed = [token for token in range(ours.shape[2]) if token not in NEVER]
    return float((ours - theirs)[..., allowed].abs().max())


def _rate(run: Callable[[], int]) -> float:
    started = time.perf_counter()
    n_strings = run()
    return n_strings / (time.perf_counter() - started)


def _rates(runs: Sequence[Callable[[], int]]) -> list[float]:
    """Median rate of each. The runs alternate, so that other load on the machine affects all of them."""
    rates = [[_rate(run) for run in runs] for _ in range(ROUNDS)]
    return [median(column) for column in zip(*rates, strict=True)]


def _pegasus(model: GlmrModel) -> Any:
    """A standard decoder with our weights: pre-norm, GELU, fixed positions, scaled and tied embeddings."""
    config, decoder = model.network.config, model.network.decoder
    pegasus = transformers.PegasusForConditionalGeneration(
        transformers.PegasusConfig(
            vocab_size=config.vocabulary_size,
            d_model=config.d_molecule,
            encoder_layers=1,  # never runs: the memory is an input
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
    pegasus.final_logits_bias[:, NEVER] = -torch.inf  # as in our search
    for layer, block in zip(stock.layers, decoder.blocks, strict=True):
        assert isinstance(block, DecoderBlock)
        _copy_layer(layer, block)
    stock.register_forward_pre_hook(_add_mask_axes, with_kwargs=True)
    return pegasus.to(model.device).eval()


def _copy_layer(layer: Any, block: DecoderBlock) -> None:
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


def _add_mask_axes(_: nn.Module, arguments: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """`generate` accepts only masks (B, S). The decoder adds a mask with four axes to its logits."""
    return arguments, kwargs | {"encoder_attention_mask": kwargs["encoder_attention_mask"][:, None, None, :]}


def _copy_attention(stock: Any, own: Attention) -> None:
    _copy_linear(stock.q_proj, own.query.weight, own.query.bias)
    weights, biases = own.key_value.weight.chunk(2), own.key_value.bias.chunk(2)
    for part, weight, bias in zip((stock.k_proj, stock.v_proj), weights, biases, strict=True):
        _copy_linear(part, weight, bias)
    _copy_linear(stock.out_proj, own.out.weight, own.out.bias)


def _copy_linear(stock: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    stock.load_state_dict({"weight": weight, "bias": bias})
