"""Runs the generative stage: builds network and data, trains, keeps the best state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models_ml.networks.context import Candidates
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tokenizer import PAD
from models_ml.training.augmentation import augment
from models_ml.training.generative.data import GenerativeBatch, GenerativeData, batches_of_parts
from models_ml.training.generative.parts import training_parts, validation_part
from models_ml.training.prepared import load_library
from models_ml.training.run import BestState, StageRun, set_up, start_run
from models_ml.training.settings import GenerativeSettings
from models_ml.training.states import load_network, load_state

VALIDATION_BATCH = 64


def run_generative(settings: GenerativeSettings) -> Path:
    """Returns the path of the state. A warm start must have the same fusion and context."""
    rng = set_up(settings)
    network = load_network(settings.run / "contrastive.pt")
    trained = _prepare_decoder_side(settings, network)
    run = start_run(settings, network, trained)
    library = load_library(settings, network)
    parts = training_parts(settings, network, library)
    validation = validation_part(settings, network, library)
    train_generative(run, settings, parts, validation, rng)
    return run.path


def train_generative(
    run: StageRun,
    settings: GenerativeSettings,
    parts: Sequence[GenerativeData],
    validation: GenerativeData,
    rng: np.random.Generator,
) -> None:
    """Train until the budget is spent. Keeps the state with the lowest validation NLL."""
    best = BestState(run, list(run.trained.values()), "val_token_nll", highest=False)
    _train_mode(run.network)
    run.pause()
    for part, indices in batches_of_parts(parts, settings.batch_size, rng):
        if run.check_due():
            best.offer({"val_token_nll": validation_nll(run, validation)})
            _train_mode(run.network)
            run.pause()
        if run.done:
            break
        drop_truth = rng.random(len(indices)) < settings.drop_truth
        batch = part.batch(indices, drop_truth)
        batch = replace(batch, spectra=augment(batch.spectra, settings))
        with run.autocast():
            loss = generative_loss(run.network, batch)
        run.learn(loss, token_nll=loss)
    best.restore()
    run.save(finished=True)


def generative_loss(network: GlmrNetwork, batch: GenerativeBatch) -> Tensor:
    """Token NLL of the targets given spectra and candidates."""
    with torch.no_grad():
        features, keep = batch.encoder(batch.spectra)
        spectrum = batch.encoder.embed(features, keep)
        # A matrix product would be rounded to bfloat16, which makes similar candidates equal.
        similarity = (spectrum[:, None] * batch.embeddings).sum(-1)
    candidates = Candidates(batch.embeddings, batch.keep, similarity, batch.read)
    memory = network.memory(features, keep, candidates)
    target = batch.target
    logits, _ = network.decoder(target[:, :-1], network.decoder.start(memory))
    return functional.cross_entropy(logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD)


def validation_nll(run: StageRun, data: GenerativeData) -> float:
    """Mean token NLL on the validation spectra, with the candidates that retrieval gives."""
    run.network.eval()
    total, n = 0.0, 0
    with torch.inference_mode(), run.autocast():
        for start in range(0, len(data), VALIDATION_BATCH):
            indices = np.arange(start, min(start + VALIDATION_BATCH, len(data)))
            batch = data.batch(indices, np.zeros(len(indices), bool))
            total += float(generative_loss(run.network, batch)) * len(indices)
            n += len(indices)
    return total / n


def _prepare_decoder_side(settings: GenerativeSettings, network: GlmrNetwork) -> dict[str, nn.Module]:
    """The modules that this stage trains. Freezes all others."""
    wanted = (settings.fusion, settings.context_molecules)
    if wanted != (network.config.fusion, network.config.context_molecules):
        network.replace_fusion(*wanted)
    trained: dict[str, nn.Module] = {"fusion": network.fusion, "decoder": network.decoder}
    if network.context is not None:
        trained["context"] = network.context
    network.requires_grad_(False)
    for module in trained.values():
        module.requires_grad_(True)
    if settings.warm_start is not None:
        weights = load_state(settings.warm_start)["trained"]
        for name, module in trained.items():
            module.load_state_dict(weights[name])
    return trained


def _train_mode(network: GlmrNetwork) -> None:
    network.eval()
    network.fusion.train()
    network.decoder.train()
