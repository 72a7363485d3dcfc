"""Parts the training compounds into folds that hold no near analogs of one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.fingerprint import bulk_tanimoto
from models_ml.training.arrays import CompoundFolds

N_FOLDS = 5
# The public folds of the data were cut at this similarity, so a model meets in a held-out fold what it
# will meet in new spectra: analogs up to here, none beyond.
CLUSTER_TANIMOTO = 0.8


def clusters(fingerprints: NDArray[np.uint8], threshold: float = CLUSTER_TANIMOTO) -> NDArray[np.int64]:
    """Single-linkage cluster number of each row of packed fingerprints (n, 256)."""
    label = np.full(len(fingerprints), -1, np.int64)
    for first in range(len(fingerprints)):
        if label[first] >= 0:
            continue
        label[first] = first
        front = [first]
        while front:
            near = bulk_tanimoto(fingerprints[front.pop()].tobytes(), fingerprints) >= threshold
            new = np.flatnonzero(near & (label < 0))
            label[new] = first
            front.extend(new.tolist())
    return label


def cluster_folds(fingerprints: NDArray[np.uint8], *, seed: int, n_folds: int = N_FOLDS) -> CompoundFolds:
    """Whole clusters to folds: the largest first, each to the fold that is smallest then."""
    label = clusters(fingerprints)
    names, sizes = np.unique(label, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    filled = np.zeros(n_folds, np.int64)
    fold_of: dict[int, int] = {}
    for place in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        smallest = int(np.argmin(filled))
        fold_of[int(names[place])] = smallest
        filled[smallest] += sizes[place]
    return CompoundFolds(np.array([fold_of[int(one)] for one in label]))
