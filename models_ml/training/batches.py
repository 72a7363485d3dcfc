"""Selects the rows of a batch from the prepared arrays, and adds noise to them."""

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
        batches = [bucket[first : first + batch_size] for first in range(0, len(bucket), batch_size)]
        for index in rng.permutation(len(batches)):
            yield batches[index]


def shuffled_batches(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless batches of row numbers, each epoch in a new order. A last incomplete batch is left out."""
    size = min(size, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]


def compound_batches(
    spectra: SpectrumArrays,
    rows: NDArray[np.int64],
    batch_size: int,
    rng: np.random.Generator,
    *,
    mass_sorted_share: float = 0.0,
    mass_spread_da: float = 0.0,
) -> Iterator[NDArray[np.int64]]:
    """Endless batches of the spectra in `rows`. An epoch holds each compound once: no false negatives.

    A share of the epochs is sorted by mass, with noise of `mass_spread_da`. The others are shuffled.
    """
    by_compound = rows[np.argsort(spectra.compound[rows], kind="stable")]
    _, first, count = np.unique(spectra.compound[by_compound], return_index=True, return_counts=True)
    while True:
        epoch = by_compound[first + rng.integers(0, count)]
        spread = mass_spread_da if rng.random() < mass_sorted_share else 1e6
        order = np.argsort(spectra.neutral_mass[epoch] + rng.normal(0, spread, len(epoch)))
        size = min(batch_size, len(epoch))
        starts = range(0, len(epoch) - size + 1, size)
        for start in rng.permutation(np.array(starts)):
            yield epoch[order[start : start + size]]


def spectra_per_compound(
    spectra: SpectrumArrays, at_most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of at most `at_most` random spectra of each compound."""
    order = rng.permutation(len(spectra))
    order = order[np.argsort(spectra.compound[order], kind="stable")]
    compound = spectra.compound[order]
    first = np.searchsorted(compound, compound, "left")
    return order[np.arange(len(order)) - first < at_most]


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
