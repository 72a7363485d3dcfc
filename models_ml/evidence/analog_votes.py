"""Votes on candidates by the compounds whose reference spectra resemble the spectrum. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.analogs import ReferenceIndex, tanimoto_matrix
from models_ml.spectra.features import SpectrumFeatures

N_COMPOUNDS = 30
N_VOTES = 8
N_STRENGTHS = 3
MAIN_VOTE = 7  # sum of squared products: the best single vote of the eight on validation spectra


@dataclass(frozen=True, slots=True, eq=False)
class AnalogVotes:
    votes: NDArray[np.float32]  # (C, N_VOTES), larger is better
    strengths: NDArray[np.float32]  # (N_STRENGTHS,) cosines of the compounds at ranks 1, 5 and 20


def analog_votes(
    index: ReferenceIndex, features: SpectrumFeatures, candidates: NDArray[np.uint8]
) -> AnalogVotes | None:
    """Votes on candidates, given as packed fingerprints (C, 256).

    Each compound votes once, with its most similar spectrum. None if no reference shares a bin with the
    spectrum.
    """
    similarity = index.best_of_molecules(index.similarities(features))
    top = np.argsort(-similarity, kind="stable")[:N_COMPOUNDS]
    strength = similarity[top]
    if not len(strength) or not strength[0] > 0:
        return None
    tanimoto = tanimoto_matrix(candidates, index.molecule_fingerprints(top))
    cubes = strength**3
    votes = np.stack(
        [
            tanimoto[:, :20] @ (strength[:20] / strength[:20].sum()),
            tanimoto @ (cubes / cubes.sum()),
            (tanimoto * strength).max(axis=1),
            tanimoto[:, 0] * strength[0],
            tanimoto[:, :3].mean(axis=1),
            tanimoto.max(axis=1),
            tanimoto[:, 0],
            tanimoto**2 @ strength**2,
        ],
        axis=1,
    )
    ranks = np.minimum([0, 4, 19], len(strength) - 1)
    return AnalogVotes(votes.astype(np.float32), strength[ranks].astype(np.float32))
