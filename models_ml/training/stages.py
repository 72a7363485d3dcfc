"""Wires prepared data, a run folder and a stage's training together. One function a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models_ml.config import GlmrConfig, named_config
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.arrays import MoleculeArrays
from models_ml.training.contrastive import (
    ContrastiveChoices,
    Temperature,
    freeze_for_contrastive,
    train_contrastive,
)
from models_ml.training.generative import (
    GenerativeChoices,
    TokenReader,
    train_generative,
)
from models_ml.training.pretrain import PretrainChoices, PretrainHeads, pretrain
from models_ml.training.run import (
    StageRun,
    load_but_for_new_heads,
    load_network,
    load_state,
    seed_everything,
    set_dropout,
)
from models_ml.training.stage_data import (
    StageOptions,
    contrastive_data,
    generative_parts,
    generative_validation,
    load_library,
    load_spectra,
    shown_rows,
)
from models_ml.training.validation import RetrievalCheck
from models_ml.training.vectors import pooled_features


def run_pretrain(
    options: StageOptions,
    *,
    config: str,
    batch_size: int,
    choices: PretrainChoices,
    token_window: int | None = None,
    warm_start: Path | None = None,
) -> Path:
    """`warm_start`: a state of another run, whose network may lack parts of this one."""
    rng = _set_up(options)
    tokenizer = SmilesTokenizer.load(options.data / "tokenizer.json")
    sizes = named_config(config, vocabulary_size=len(tokenizer))
    network = GlmrNetwork(sizes if token_window is None else replace(sizes, token_window=token_window))
    heads = PretrainHeads(network)
    if warm_start is not None:
        state = load_state(warm_start)
        network.load_state_dict(state["network"], strict=False)
        heads.load_state_dict(state["trained"]["heads"])
    trained = {"molecule_encoder": network.molecule_encoder, "decoder": network.decoder, "heads": heads}
    run = _start(
        options,
        "pretrain",
        network,
        trained,
        {"config": config, "batch_size": batch_size, "decoder_share": choices.decoder_share},
    )
    arrays = MoleculeArrays.load(options.data / "pretrain.npz")
    pretrain(run, heads, arrays, batch_size=batch_size, choices=choices, rng=rng)
    return run.path


def run_contrastive(
    options: StageOptions,
    *,
    source: Path,
    blind: bool,
    mass_negatives: bool,
    choices: ContrastiveChoices,
    train_head: bool = False,
    hold_out: int | None = None,
    warm_start: Path | None = None,
    head_hidden: int = 0,
    simulated: Path | None = None,
) -> Path:
    """`source` is the run folder whose pre-trained molecule side is used, often the same folder.

    `hold_out`: a fold of `folds.npz` whose compounds are never shown, so that a ranker can learn on them.
    `warm_start`: a state of another run, which must have held out the same fold, to go on from.
    `simulated`: a file of `simulate`, of which each batch then shows some; every fifth spectrum is kept back.
    """
    rng = _set_up(options)
    network = _with_new_spectrum_side(source / "pretrain.pt", blind=blind, head_hidden=head_hidden)
    if warm_start is not None:
        load_but_for_new_heads(network, load_state(warm_start)["network"])
    freeze_for_contrastive(network, train_head=train_head)
    temperature = Temperature()
    trained = {
        "spectrum_encoder": network.spectrum_encoder,
        "molecule_head": network.molecule_encoder.head,
        "temperature": temperature,
    }
    settings = {
        "source": source,
        "blind": blind,
        "mass_negatives": mass_negatives,
        "train_head": train_head,
        "hold_out": hold_out,
        "warm_start": warm_start is not None,
        "head_hidden": head_hidden,
        "library_negatives": choices.n_library_negatives,
        "hard_negatives": choices.n_hard_negatives,
        "batch_size": choices.batch_size,
        "simulated": choices.n_simulated if simulated is not None else 0,
    }
    run = _start(options, "contrastive", network, trained, settings)
    library, library_pooled = load_library(options, network, source)
    train, compounds = load_spectra(options, "train")
    val, val_compounds = load_spectra(options, "val")
    check = RetrievalCheck.build(
        val,
        val_compounds,
        pooled_features(network, val_compounds, device=options.device),
        library,
        library_pooled,
        per_compound=4,
        seed=0,
    )
    data = contrastive_data(
        options,
        network,
        train,
        compounds,
        library,
        library_pooled,
        shown=shown_rows(options, train, hold_out),
        mass_negatives=mass_negatives,
        simulated=simulated,
    )
    train_contrastive(run, temperature, data, choices, check, rng)
    return run.path


def run_generative(
    options: StageOptions,
    *,
    source: Path,
    per_compound: int,
    choices: GenerativeChoices,
    cross_fitted: Sequence[Path] = (),
    fusion: str = "cross",
    warm_start: Path | None = None,
    simulated: Path | None = None,
) -> Path:
    """`source` is the run folder whose molecule features are used, often the same folder.

    `cross_fitted`: run folders of contrastive stages from the same pre-training that each held out another
    fold. Each spectrum is then read by the encoder that never saw its compound, and spectra of a fold that
    none held out are left out; without them all are read by this run's own. `fusion` other than the paper's
    "cross" is an ablation. `warm_start`: a state of this stage in another run, with the same fusion and
    context, to go on from. `simulated`: a file of `simulate`, of which the share is shown that the
    contrastive stage never saw.
    """
    rng = _set_up(options)
    network = load_network(options.run / "contrastive.pt")
    trained = _decoder_side(network, fusion, choices.context_molecules, warm_start)
    run = _start(
        options,
        "generative",
        network,
        trained,
        {
            "per_compound": per_compound,
            "batch_size": choices.batch_size,
            "cross_fitted": len(cross_fitted),
            "fusion": fusion,
            "context_molecules": choices.context_molecules,
            "warm_start": warm_start is not None,
            "simulated": simulated is not None,
            "n_candidates": choices.n_candidates,
        },
    )
    library, library_pooled = load_library(options, network, source)
    reader = TokenReader(network, library, options.device)
    parts = generative_parts(
        options, network, reader, library_pooled, cross_fitted, per_compound, simulated, choices.n_candidates
    )
    val = generative_validation(options, network, library, library_pooled, choices.n_candidates)
    train_generative(run, parts, val, choices, rng)
    return run.path


def _set_up(options: StageOptions) -> np.random.Generator:
    if options.threads:
        torch.set_num_threads(options.threads)
    return seed_everything(options.seed)


def _start(
    options: StageOptions, stage: str, network: GlmrNetwork, trained: dict[str, Any], settings: dict[str, Any]
) -> StageRun:
    """A run on the device, resumed if its state is there and `fresh` was not asked for."""
    set_dropout(network, options.dropout)
    network.to(options.device)
    for module in trained.values():
        module.to(options.device)
    run = StageRun(
        folder=options.run,
        stage=stage,
        network=network,
        trained=trained,
        budget=options.budget,
        peak_rate=options.rate,
        device=options.device,
        check_every_s=options.check_every_s,
        settings={
            "seed": options.seed,
            "rate": options.rate,
            "dropout": options.dropout,
            "max_minutes": options.budget.max_minutes,
            "max_steps": options.budget.max_steps,
            **settings,
        },
    )
    if not options.fresh and run.resume():
        # Other numbers than at the start, or the run would see its first batches twice.
        seed_everything(options.seed + run.step)
    return run


def _with_new_spectrum_side(path: Path, *, blind: bool, head_hidden: int) -> GlmrNetwork:
    """The molecule side of a pre-trained state with a spectrum encoder and fusion fresh from the seed."""
    state = load_state(path)
    config = replace(GlmrConfig.from_dict(state["config"]), spectrum_blind=blind, head_hidden=head_hidden)
    network = GlmrNetwork(config)
    for name in ("molecule_encoder", "decoder"):
        load_but_for_new_heads(getattr(network, name), state["trained"][name])
    return network


def _decoder_side(
    network: GlmrNetwork, fusion: str, context_molecules: int, warm_start: Path | None
) -> dict[str, nn.Module]:
    """The modules that the generative stage trains; all others are frozen."""
    if (fusion, context_molecules) != (network.config.fusion, network.config.context_molecules):
        network.replace_fusion(fusion, context_molecules)
    trained: dict[str, nn.Module] = {"fusion": network.fusion, "decoder": network.decoder}
    if network.context is not None:
        trained["context"] = network.context
    network.requires_grad_(False)
    learnt = None if warm_start is None else load_state(warm_start)["trained"]
    for name, module in trained.items():
        module.requires_grad_(True)
        if learnt is not None:
            module.load_state_dict(learnt[name])
    return trained
