"""Training data of the contrastive stage: spectra, molecules and the molecules that may be negatives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import SpectrumArrays
from models_ml.training.batches import compound_batches
from models_ml.training.mass_windows import MassSorted, NearMassNegatives
from models_ml.training.prepared import Library, is_for_generative, library_rows, load_spectra, shown_rows
from models_ml.training.settings import ContrastiveSettings
from models_ml.training.vectors import pooled_features


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveData:
    """Measured spectra, then simulated ones, with the features of their molecules and of the library."""

    spectra: SpectrumArrays
    measured: NDArray[np.int64]  # rows of the measured spectra to learn from
    simulated: NDArray[np.int64]  # rows of the simulated spectra
    pooled: Tensor  # (compounds, 2 Dm) float16, input of the embedding head, on the device
    library_pooled: Tensor  # (library, 2 Dm) float16, on the device
    own: NDArray[np.int64]  # library row of each compound, NO_CANDIDATE if the library lacks it
    negatives: NDArray[np.int64]  # library rows that may be negatives: all but the held-out compounds
    near_mass: NearMassNegatives | None  # not in the paper


def load_contrastive_data(
    settings: ContrastiveSettings, network: GlmrNetwork, library: Library
) -> ContrastiveData:
    spectra, compounds = load_spectra(settings.data, "train")
    measured = shown_rows(settings.data, spectra, settings.hold_out)
    own = library_rows(library.molecules, compounds)
    # As a negative, a held-out compound would be pushed away from its own spectra.
    held_out = np.setdiff1d(own, own[spectra.compound[measured]])
    near_mass = None
    if settings.mass_negatives:
        near_mass = NearMassNegatives(MassSorted.of(library.molecules.exact_mass, without=held_out))
    pooled = pooled_features(network, compounds, device=settings.device)
    simulated = np.zeros(0, np.int64)
    if settings.simulated is not None:
        made = SpectrumArrays.load(settings.simulated)
        simulated = len(spectra) + np.flatnonzero(~is_for_generative(made))
        spectra = spectra.followed_by(made, len(compounds) + np.arange(len(made)))
        pooled = np.concatenate([pooled, library.pooled[made.compound]])
        own = np.append(own, made.compound)
    return ContrastiveData(
        spectra=spectra,
        measured=measured,
        simulated=simulated,
        pooled=torch.from_numpy(pooled).to(settings.device),
        library_pooled=torch.from_numpy(library.pooled).to(settings.device),
        own=own,
        negatives=np.setdiff1d(np.arange(len(library.molecules)), held_out),
        near_mass=near_mass,
    )


def contrastive_batches(
    data: ContrastiveData, settings: ContrastiveSettings, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Endless batches of spectrum rows: measured spectra, then simulated ones if there are any."""

    def batches(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
        return compound_batches(
            data.spectra,
            rows,
            size,
            rng,
            mass_sorted_share=settings.mass_sorted_share,
            mass_spread_da=settings.mass_spread_da,
        )

    simulated: Iterator[NDArray[np.int64]] = itertools.repeat(np.zeros(0, np.int64))
    if settings.n_simulated and len(data.simulated):
        simulated = batches(data.simulated, settings.n_simulated)
    for rows in batches(data.measured, settings.batch_size):
        yield np.append(rows, next(simulated))
