"""Wires prepared data, a run folder and a stage's training together. One function a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models_ml.config import GlmrConfig, named_config
from models_ml.networks.glmr import GlmrNetwork
from models_ml.tokenizer import SmilesTokenizer
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.contrastive import (
    ContrastiveChoices,
    ContrastiveData,
    Temperature,
    freeze_for_contrastive,
    train_contrastive,
)
from models_ml.training.generative import (
    NO_CANDIDATE,
    GenerativeChoices,
    GenerativeData,
    TokenReader,
    retrieve_candidates,
    spectra_per_compound,
    train_generative,
)
from models_ml.training.pretrain import PretrainChoices, PretrainHeads, pretrain
from models_ml.training.run import (
    Budget,
    StageRun,
    load_but_for_new_heads,
    load_network,
    load_state,
    seed_everything,
    set_dropout,
)
from models_ml.training.validation import NearMassNegatives, RetrievalCheck
from models_ml.training.vectors import MassSorted, molecule_vectors, pooled_features

KEPT_BACK_EVERY = 5  # simulated spectra that the contrastive stage never sees


@dataclass(frozen=True, slots=True)
class StageOptions:
    """What every stage's command takes."""

    data: Path  # folder of `prepare`
    run: Path  # folder of this run's states and logs
    budget: Budget
    seed: int = 0
    device: str = "cpu"
    threads: int = 0  # 0: as many as torch likes
    rate: float = 7e-4
    dropout: float = 0.0
    check_every_s: float = 120.0
    fresh: bool = False  # start over although a state is there


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
    `simulated`: a file of `simulate`, of which each batch then shows some spectra.
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
    library, library_pooled = _library(options, network, source)
    train, compounds = _spectra(options, "train")
    val, val_compounds = _spectra(options, "val")
    check = RetrievalCheck.build(
        val,
        val_compounds,
        pooled_features(network, val_compounds, device=options.device),
        library,
        library_pooled,
        per_compound=4,
        seed=0,
    )
    data = _contrastive_data(
        options,
        network,
        train,
        compounds,
        library,
        library_pooled,
        shown=_shown(options, train, hold_out),
        mass_negatives=mass_negatives,
        simulated=simulated,
    )
    train_contrastive(run, temperature, data, choices, check, rng)
    return run.path


def _contrastive_data(
    options: StageOptions,
    network: GlmrNetwork,
    spectra: SpectrumArrays,
    compounds: MoleculeArrays,
    library: MoleculeArrays,
    library_pooled: NDArray[np.float16],
    *,
    shown: NDArray[np.int64],
    mass_negatives: bool,
    simulated: Path | None,
) -> ContrastiveData:
    """`shown`: rows of the measured spectra that may be learnt from."""
    own = _library_rows(library, compounds)
    # A held-out compound shown as a negative would be pushed away from its own spectra.
    unseen = np.setdiff1d(own, own[spectra.compound[shown]])
    near_mass = None
    if mass_negatives:
        near_mass = NearMassNegatives(MassSorted.of(library.exact_mass, without=unseen))
    pooled = pooled_features(network, compounds, device=options.device)
    simulated_rows = np.zeros(0, np.int64)
    if simulated is not None:
        made = SpectrumArrays.load(simulated)
        simulated_rows = len(spectra) + np.flatnonzero(~_kept_back(made))
        spectra = spectra.followed_by(made, len(compounds) + np.arange(len(made)))
        pooled = np.concatenate([pooled, library_pooled[made.compound]])
        own = np.append(own, made.compound)
    return ContrastiveData(
        spectra=spectra,
        usable=shown,
        simulated=simulated_rows,
        pooled=torch.from_numpy(pooled).to(options.device),
        library_pooled=torch.from_numpy(library_pooled).to(options.device),
        own=own,
        may_be_shown=np.setdiff1d(np.arange(len(library)), unseen),
        near_mass=near_mass,
    )


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
    library, library_pooled = _library(options, network, source)
    reader = TokenReader(network, library, options.device)
    parts = _generative_parts(
        options, network, reader, library_pooled, cross_fitted, per_compound, simulated, choices.n_candidates
    )
    val = _generative_validation(options, network, library, library_pooled, choices.n_candidates)
    train_generative(run, parts, val, choices, rng)
    return run.path


def _generative_parts(
    options: StageOptions,
    network: GlmrNetwork,
    reader: TokenReader,
    library_pooled: NDArray[np.float16],
    cross_fitted: Sequence[Path],
    per_compound: int,
    simulated: Path | None,
    n_candidates: int,
) -> list[GenerativeData]:
    """Each encoder's spectra. Raises ValueError if two encoders held out the same fold, or one none."""
    spectra, compounds = _spectra(options, "train")
    rng = np.random.default_rng(options.seed)
    drawn = spectra_per_compound(spectra, per_compound, rng)
    library_rows = _library_rows(reader.library, compounds)
    parts: list[GenerativeData] = []
    met: set[int | None] = set()
    for folder in (options.run, *cross_fitted) if cross_fitted else ():
        hold_out = load_state(folder / "contrastive.pt")["settings"]["hold_out"]
        if hold_out is None or hold_out in met:
            raise ValueError(f"{folder} held out the fold {hold_out}; each run must hold out another.")
        met.add(hold_out)
        encoder = network if folder == options.run else _frozen(folder, options.device)
        rows = np.setdiff1d(drawn, _shown(options, spectra, hold_out))
        vectors = molecule_vectors(encoder, library_pooled, device=options.device)
        parts.append(
            _generative_data(encoder, reader, spectra, compounds, rows, library_rows, vectors, n_candidates)
        )
    own_vectors = molecule_vectors(network, library_pooled, device=options.device)
    if not cross_fitted:
        parts.append(
            _generative_data(
                network, reader, spectra, compounds, drawn, library_rows, own_vectors, n_candidates
            )
        )
    if simulated is not None:
        made = SpectrumArrays.load(simulated)
        rows = np.flatnonzero(_kept_back(made))
        every = np.arange(len(reader.library))
        parts.append(
            _generative_data(network, reader, made, reader.library, rows, every, own_vectors, n_candidates)
        )
    return parts


def _frozen(folder: Path, device: str) -> GlmrNetwork:
    network = load_network(folder / "contrastive.pt").to(device).eval()
    network.requires_grad_(False)
    return network


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


def _library(
    options: StageOptions, network: GlmrNetwork, source: Path
) -> tuple[MoleculeArrays, NDArray[np.float16]]:
    library = MoleculeArrays.load(options.data / "pretrain.npz")
    cache = source / "library_pooled.npy"
    return library, pooled_features(network, library, device=options.device, cache=cache)


def _library_rows(library: MoleculeArrays, compounds: MoleculeArrays) -> NDArray[np.int64]:
    """Row in the library of each compound, NO_CANDIDATE if it is not there."""
    row_of = {smiles: row for row, smiles in enumerate(library.smiles)}
    return np.array([row_of.get(smiles, NO_CANDIDATE) for smiles in compounds.smiles])


def _shown(options: StageOptions, spectra: SpectrumArrays, hold_out: int | None) -> NDArray[np.int64]:
    """Rows of the training spectra whose compounds lie outside the held-out fold."""
    if hold_out is None:
        return np.arange(len(spectra))
    folds = CompoundFolds.load(options.data / "folds.npz")
    return np.flatnonzero(folds.fold[spectra.compound] != hold_out)


def _spectra(options: StageOptions, fold: str) -> tuple[SpectrumArrays, MoleculeArrays]:
    return (
        SpectrumArrays.load(options.data / f"{fold}_spectra.npz"),
        MoleculeArrays.load(options.data / f"{fold}_compounds.npz"),
    )


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


def _generative_validation(
    options: StageOptions,
    network: GlmrNetwork,
    library: MoleculeArrays,
    library_pooled: NDArray[np.float16],
    n_candidates: int,
) -> GenerativeData:
    """Validation spectra among the library and their own compounds.

    The library lacks the evaluation's compounds. In use it mostly holds the molecule that is looked for.
    """
    spectra, compounds = _spectra(options, "val")
    rows = spectra_per_compound(spectra, 2, np.random.default_rng(options.seed))
    pooled = np.concatenate([library_pooled, pooled_features(network, compounds, device=options.device)])
    vectors = molecule_vectors(network, pooled, device=options.device)
    reader = TokenReader(network, library.followed_by(compounds), options.device)
    own = _library_rows(reader.library, compounds)
    return _generative_data(network, reader, spectra, compounds, rows, own, vectors, n_candidates)


def _generative_data(
    network: GlmrNetwork,
    reader: TokenReader,
    spectra: SpectrumArrays,
    compounds: MoleculeArrays,
    rows: NDArray[np.int64],
    own: NDArray[np.int64],
    library_vectors: NDArray[np.float32],
    n_candidates: int,
) -> GenerativeData:
    """Batches of the spectra in `rows`, read by `network`, with what the library holds of their mass.

    `own`: library row of each compound.
    """
    candidate_set = retrieve_candidates(
        network,
        spectra,
        rows,
        own,
        library_vectors,
        MassSorted.of(reader.library.exact_mass),
        n_candidates,
        reader.device,
    )
    return GenerativeData(
        network.spectrum_encoder, spectra, compounds, candidate_set, library_vectors, reader
    )


def _kept_back(simulated: SpectrumArrays) -> NDArray[np.bool_]:
    """Which simulated spectra are the generative stage's. They lie sorted by mass, each compound once."""
    kept_back: NDArray[np.bool_] = np.arange(len(simulated)) % KEPT_BACK_EVERY == 0
    return kept_back
