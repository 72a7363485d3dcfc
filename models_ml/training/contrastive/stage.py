"""Runs the contrastive stage: builds network and data, trains, keeps the best state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from models_ml.config import GlmrConfig
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.contrastive.data import ContrastiveData, contrastive_batches, load_contrastive_data
from models_ml.training.contrastive.losses import Temperature
from models_ml.training.contrastive.step import ContrastiveStep
from models_ml.training.monitors import contrastive_warnings
from models_ml.training.prepared import Library, load_library, load_spectra
from models_ml.training.run import BestState, StageRun, set_up, start_run
from models_ml.training.settings import ContrastiveSettings
from models_ml.training.states import load_except_new_heads, load_state
from models_ml.training.validation import RetrievalCheck
from models_ml.training.vectors import pooled_features

CHECK_PER_COMPOUND = 4  # most validation spectra of a compound


def run_contrastive(settings: ContrastiveSettings) -> Path:
    """Returns the path of the state. A warm start must have held out the same fold."""
    rng = set_up(settings)
    network = _build_network(settings)
    temperature = Temperature()
    trained = {
        "spectrum_encoder": network.spectrum_encoder,
        "molecule_head": network.molecule_encoder.head,
        "temperature": temperature,
    }
    run = start_run(settings, network, trained)
    library = load_library(settings, network)
    check = _retrieval_check(settings, network, library)
    data = load_contrastive_data(settings, network, library)
    train_contrastive(run, settings, temperature, data, check, rng)
    return run.path


def train_contrastive(
    run: StageRun,
    settings: ContrastiveSettings,
    temperature: Temperature,
    data: ContrastiveData,
    check: RetrievalCheck,
    rng: np.random.Generator,
) -> None:
    """Train until the budget is spent. Keeps the state that is best on validation spectra."""
    head = run.network.molecule_encoder.head
    best = BestState(run, [run.network.spectrum_encoder, head], "val_both", highest=True)
    checks: list[dict[str, float]] = []
    step = ContrastiveStep(run, settings, temperature, data, rng)
    run.network.train()
    run.pause()
    for rows in contrastive_batches(data, settings, rng):
        if run.check_due():
            checks.append(check.measure(run.network, run.device))
            best.offer(checks[-1])
            run.warn(contrastive_warnings(checks, run.spent))
            run.network.train()
            run.pause()
        if run.done:
            break
        step.learn(rows)
    best.restore()
    run.save(finished=True)


def _build_network(settings: ContrastiveSettings) -> GlmrNetwork:
    """The pre-trained molecule side with a new spectrum encoder and fusion. Freezes what does not learn."""
    state = load_state(settings.source_run / "pretrain.pt")
    config = replace(
        GlmrConfig.from_dict(state["config"]),
        spectrum_blind=settings.blind,
        head_hidden=settings.head_hidden,
    )
    network = GlmrNetwork(config)
    for name in ("molecule_encoder", "decoder"):
        load_except_new_heads(getattr(network, name), state["trained"][name])
    if settings.warm_start is not None:
        load_except_new_heads(network, load_state(settings.warm_start)["network"])
    for module in (network.molecule_encoder, network.decoder, network.fusion):
        module.requires_grad_(False)
    network.molecule_encoder.head.requires_grad_(settings.train_head)
    return network


def _retrieval_check(settings: ContrastiveSettings, network: GlmrNetwork, library: Library) -> RetrievalCheck:
    spectra, compounds = load_spectra(settings.data, "val")
    return RetrievalCheck.build(
        spectra,
        compounds,
        pooled_features(network, compounds, device=settings.device),
        library.molecules,
        library.pooled,
        per_compound=CHECK_PER_COMPOUND,
        seed=0,
    )
