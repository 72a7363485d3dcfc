"""Loads the prepared arrays for the stages that read spectra."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_ml.networks.context import NO_CANDIDATE
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import CompoundFolds, MoleculeArrays, SpectrumArrays
from models_ml.training.settings import SpectrumStageSettings
from models_ml.training.vectors import pooled_features

GENERATIVE_EVERY = 5  # every fifth simulated spectrum is for the generative stage


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """The library of pre-training with the frozen features of its molecules."""

    molecules: MoleculeArrays
    pooled: NDArray[np.float16]  # (n, 2 Dm), input of the embedding head


def load_library(settings: SpectrumStageSettings, network: GlmrNetwork) -> Library:
    molecules = MoleculeArrays.load(settings.data / "pretrain.npz")
    cache = settings.source_run / "library_pooled.npy"
    return Library(molecules, pooled_features(network, molecules, device=settings.device, cache=cache))


def load_spectra(data: Path, fold: str) -> tuple[SpectrumArrays, MoleculeArrays]:
    """`fold`: train or val."""
    return (
        SpectrumArrays.load(data / f"{fold}_spectra.npz"),
        MoleculeArrays.load(data / f"{fold}_compounds.npz"),
    )


def shown_rows(data: Path, spectra: SpectrumArrays, hold_out: int | None) -> NDArray[np.int64]:
    """Rows of the training spectra whose compounds lie outside the held-out fold."""
    if hold_out is None:
        return np.arange(len(spectra))
    folds = CompoundFolds.load(data / "folds.npz")
    return np.flatnonzero(folds.fold[spectra.compound] != hold_out)


def library_rows(library: MoleculeArrays, compounds: MoleculeArrays) -> NDArray[np.int64]:
    """Row in the library of each compound, NO_CANDIDATE if the library lacks it."""
    row_of = {smiles: row for row, smiles in enumerate(library.smiles)}
    return np.array([row_of.get(smiles, NO_CANDIDATE) for smiles in compounds.smiles])


def is_for_generative(simulated: SpectrumArrays) -> NDArray[np.bool_]:
    """Which simulated spectra only the generative stage reads. The file has one spectrum of each compound."""
    chosen: NDArray[np.bool_] = np.arange(len(simulated)) % GENERATIVE_EVERY == 0
    return chosen
