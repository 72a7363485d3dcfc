"""The candidates that retrieval gives for training spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models_ml.networks.context import NO_CANDIDATE
from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import SpectrumArrays
from models_ml.training.mass_windows import MassSorted
from models_ml.training.vectors import embed_spectrum_rows


@dataclass(frozen=True, slots=True, eq=False)
class CandidateSet:
    """The top K of the library for n spectra, by the contrastive model inside the mass window."""

    rows: NDArray[np.int64]  # spectra, (n,)
    candidates: NDArray[np.int64]  # library rows, (n, K), NO_CANDIDATE where the window holds fewer
    own: NDArray[np.int64]  # library row of each spectrum's molecule, NO_CANDIDATE if the library lacks it


def retrieve_candidates(
    network: GlmrNetwork,
    spectra: SpectrumArrays,
    rows: NDArray[np.int64],
    own: NDArray[np.int64],
    library_vectors: NDArray[np.float32],
    mass_sorted: MassSorted,
    k: int,
    device: str,
) -> CandidateSet:
    """Candidates for the spectra in `rows`. `own`: library row of each compound."""
    embedded = embed_spectrum_rows(network, spectra, rows, device)
    candidates = np.full((len(rows), k), NO_CANDIDATE, np.int64)
    for index, row in enumerate(tqdm(rows, "candidates")):
        window = mass_sorted.window(spectra.neutral_mass[row], spectra.precursor_mz[row])
        similarities = library_vectors[window] @ embedded[index]
        best = window[np.argsort(-similarities, kind="stable")[:k]]
        candidates[index, : len(best)] = best
    return CandidateSet(rows, candidates, own[spectra.compound[rows]])
