"""What the stages learn from: prepared arrays, with the negatives or candidates that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models_ml.networks.context import NO_CANDIDATE
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.contrastive import ContrastiveData
from models_ml.training.generative import (
    GenerativeData,
    TokenReader,
    retrieve_candidates,
    spectra_per_compound,
)
from models_ml.training.run import Budget, load_network, load_state
from models_ml.training.validation import NearMassNegatives
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


def load_library(
    options: StageOptions, network: GlmrNetwork, source: Path
) -> tuple[MoleculeArrays, NDArray[np.float16]]:
    library = MoleculeArrays.load(options.data / "pretrain.npz")
    cache = source / "library_pooled.npy"
    return library, pooled_features(network, library, device=options.device, cache=cache)


def load_spectra(options: StageOptions, fold: str) -> tuple[SpectrumArrays, MoleculeArrays]:
    return (
        SpectrumArrays.load(options.data / f"{fold}_spectra.npz"),
        MoleculeArrays.load(options.data / f"{fold}_compounds.npz"),
    )


def shown_rows(options: StageOptions, spectra: SpectrumArrays, hold_out: int | None) -> NDArray[np.int64]:
    """Rows of the training spectra whose compounds lie outside the held-out fold."""
    if hold_out is None:
        return np.arange(len(spectra))
    folds = CompoundFolds.load(options.data / "folds.npz")
    return np.flatnonzero(folds.fold[spectra.compound] != hold_out)


def contrastive_data(
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


def generative_parts(
    options: StageOptions,
    network: GlmrNetwork,
    reader: TokenReader,
    library_pooled: NDArray[np.float16],
    cross_fitted: Sequence[Path],
    per_compound: int,
    simulated: Path | None,
    n_candidates: int,
) -> list[GenerativeData]:
    """Each encoder with the spectra that it reads. See `stages.run_generative`."""
    spectra, compounds = load_spectra(options, "train")
    drawn = spectra_per_compound(spectra, per_compound, np.random.default_rng(options.seed))
    library_rows = _library_rows(reader.library, compounds)
    parts: list[GenerativeData] = []
    for encoder, hold_out in _encoders(options, network, cross_fitted):
        rows = drawn
        if cross_fitted:
            rows = np.setdiff1d(drawn, shown_rows(options, spectra, hold_out))
        vectors = molecule_vectors(encoder, library_pooled, device=options.device)
        parts.append(
            _generative_data(encoder, reader, spectra, compounds, rows, library_rows, vectors, n_candidates)
        )
    if simulated is not None:
        made = SpectrumArrays.load(simulated)
        rows = np.flatnonzero(_kept_back(made))
        every = np.arange(len(reader.library))
        vectors = parts[0].vectors  # of this run's own encoder, which is the first
        parts.append(
            _generative_data(network, reader, made, reader.library, rows, every, vectors, n_candidates)
        )
    return parts


def _encoders(
    options: StageOptions, network: GlmrNetwork, cross_fitted: Sequence[Path]
) -> Iterator[tuple[GlmrNetwork, int | None]]:
    """This run's own and the others, each with the fold that it held out.

    Raises ValueError if there are several and two held out the same fold, or one none.
    """
    met: set[int] = set()
    for folder in (options.run, *cross_fitted):
        hold_out = load_state(folder / "contrastive.pt")["settings"].get("hold_out")
        if cross_fitted and (hold_out is None or hold_out in met):
            raise ValueError(f"{folder} held out the fold {hold_out}; each run must hold out another.")
        met.add(hold_out)
        yield network if folder == options.run else _frozen(folder, options.device), hold_out


def generative_validation(
    options: StageOptions,
    network: GlmrNetwork,
    library: MoleculeArrays,
    library_pooled: NDArray[np.float16],
    n_candidates: int,
) -> GenerativeData:
    """Validation spectra among the library and their own compounds.

    The library lacks the evaluation's compounds. In use it mostly holds the molecule that is looked for.
    """
    spectra, compounds = load_spectra(options, "val")
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


def _frozen(folder: Path, device: str) -> GlmrNetwork:
    network = load_network(folder / "contrastive.pt").to(device).eval()
    network.requires_grad_(False)
    return network


def _library_rows(library: MoleculeArrays, compounds: MoleculeArrays) -> NDArray[np.int64]:
    """Row in the library of each compound, NO_CANDIDATE if it is not there."""
    row_of = {smiles: row for row, smiles in enumerate(library.smiles)}
    return np.array([row_of.get(smiles, NO_CANDIDATE) for smiles in compounds.smiles])


def _kept_back(simulated: SpectrumArrays) -> NDArray[np.bool_]:
    """Which simulated spectra are the generative stage's. They lie sorted by mass, each compound once."""
    kept_back: NDArray[np.bool_] = np.arange(len(simulated)) % KEPT_BACK_EVERY == 0
    return kept_back
