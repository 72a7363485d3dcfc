"""Which rows of the prepared arrays go into a batch, and how rows are noised on the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models_ml.networks.spectrum import SpectrumBatch
from models_ml.tensors import batch_of_features
from models_ml.tokenizer import EOS, MASK
from models_ml.training.arrays import SpectrumArrays

MEAN_SPAN = 3.0  # ChemFormer's masked spans: Poisson lengths around 3
BUCKET_BATCHES = 50  # rows are sorted by length among this many batches: little padding, enough shuffling


def length_bucketed(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """One epoch of row numbers in batches of similar length, in random order."""
    order = rng.permutation(len(lengths))
    for start in range(0, len(order), batch_size * BUCKET_BATCHES):
        bucket = order[start : start + batch_size * BUCKET_BATCHES]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches = [bucket[place : place + batch_size] for place in range(0, len(bucket), batch_size)]
        for place in rng.permutation(len(batches)):
            yield batches[place]


def shuffled_batches(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless batches of places, each epoch in a new order; the rest that fills no batch is left out."""
    size = min(size, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]


def mask_spans(row: NDArray[np.uint16], share: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Replace spans by one MASK each until about `share` of the tokens is gone. BOS and EOS stay."""
    inner = list(row[1:-1])
    to_hide = round(len(inner) * share)
    while to_hide > 0 and inner:
        span = min(max(int(rng.poisson(MEAN_SPAN)), 1), to_hide, len(inner))
        start = int(rng.integers(0, len(inner) - span + 1))
        inner[start : start + span] = [MASK]
        to_hide -= span
    return np.array([row[0], *inner, EOS], np.uint16)


def spectrum_batch(arrays: SpectrumArrays, rows: NDArray[np.int64]) -> SpectrumBatch:
    """Rows of the arrays as padded tensors."""
    return batch_of_features([arrays.features(int(row)) for row in rows])
