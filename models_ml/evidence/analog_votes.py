"""What the compounds whose reference spectra resemble a spectrum say of its candidates. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.analogs import ReferenceIndex, tanimoto_matrix
from models_ml.spectra.features import SpectrumFeatures

N_COMPOUNDS = 30
N_VOTES = 8
N_STRENGTHS = 3
MAIN_VOTE = 7  # sum of squared products: alone the best of the eight on validation spectra


@dataclass(frozen=True, slots=True, eq=False)
class AnalogVotes:
    votes: NDArray[np.float32]  # (C, N_VOTES), larger is better
    strengths: NDArray[np.float32]  # (N_STRENGTHS,) cosine of the 1st, 5th and 20th compound


def analog_votes(
    index: ReferenceIndex, features: SpectrumFeatures, candidates: NDArray[np.uint8]
) -> AnalogVotes | None:
    """Votes on candidates (C, 256). None if no reference shares a bin with the spectrum.

    Each compound speaks once, by its most similar spectrum.
    """
    similarity = index.best_of_molecules(index.similarities(features))
    top = np.argsort(-similarity, kind="stable")[:N_COMPOUNDS]
    strength = similarity[top]
    if not len(strength) or not strength[0] > 0:
        return None
    like = tanimoto_matrix(candidates, index.molecule_fingerprints(top))
    cubes = strength**3
    votes = np.stack(
        [
            like[:, :20] @ (strength[:20] / strength[:20].sum()),
            like @ (cubes / cubes.sum()),
            (like * strength).max(axis=1),
            like[:, 0] * strength[0],
            like[:, :3].mean(axis=1),
            like.max(axis=1),
            like[:, 0],
            like**2 @ strength**2,
        ],
        axis=1,
    )
    places = np.minimum([0, 4, 19], len(strength) - 1)
    return AnalogVotes(votes.astype(np.float32), strength[places].astype(np.float32))
