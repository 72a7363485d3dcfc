"""Divides the training compounds into folds. No two folds hold close analogs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.fingerprint import bulk_tanimoto
from models_ml.training.arrays import CompoundFolds

N_FOLDS = 5
# The public folds of the data use this threshold. A held-out fold is then as hard as new spectra: analogs
# below this similarity, none above.
CLUSTER_TANIMOTO = 0.8
UNLABELLED = -1


def clusters(fingerprints: NDArray[np.uint8], threshold: float = CLUSTER_TANIMOTO) -> NDArray[np.int64]:
    """Single-linkage cluster number of each row of packed fingerprints (n, 256)."""
    label = np.full(len(fingerprints), UNLABELLED, np.int64)
    for first in range(len(fingerprints)):
        if label[first] != UNLABELLED:
            continue
        label[first] = first
        to_visit = [first]
        while to_visit:
            similarities = bulk_tanimoto(fingerprints[to_visit.pop()].tobytes(), fingerprints)
            new = np.flatnonzero((similarities >= threshold) & (label == UNLABELLED))
            label[new] = first
            to_visit.extend(new.tolist())
    return label


def cluster_folds(fingerprints: NDArray[np.uint8], *, seed: int, n_folds: int = N_FOLDS) -> CompoundFolds:
    """Assign whole clusters to folds: the largest cluster first, each to the smallest fold."""
    label = clusters(fingerprints)
    names, sizes = np.unique(label, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    filled = np.zeros(n_folds, np.int64)
    fold_of: dict[int, int] = {}
    for cluster in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        smallest = int(np.argmin(filled))
        fold_of[int(names[cluster])] = smallest
        filled[smallest] += sizes[cluster]
    return CompoundFolds(np.array([fold_of[name] for name in label.tolist()]))
