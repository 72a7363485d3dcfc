"""Peaks as numbered bins of m/z and of neutral loss, at two widths, for the fingerprint head. Plain numpy.

Many compounds fill the same wide bins, so training has seen most of them. The narrow bins separate formulas
if the instrument did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.features import SpectrumFeatures

WIDTHS_DA = (0.1, 0.02)
NO_BIN = 0
N_ADDUCTS = 16
N_ENERGY_KINDS = 4
_MASS_STEPS_DA = np.arange(50.0, 1050.0, 25.0)
N_ION_NUMBERS = 6 + N_ADDUCTS + N_ENERGY_KINDS + len(_MASS_STEPS_DA)


@dataclass(frozen=True, slots=True, eq=False)
class BinVocabulary:
    """Bins that training spectra filled, ascending: a table of m/z and one of neutral loss for each width."""

    bins: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        """Number of tokens, NO_BIN included."""
        return 1 + sum(len(table) for table in self.bins)

    def tokens(self, mz: NDArray[np.float32], precursor_mz: NDArray[np.float64]) -> NDArray[np.int64]:
        """Tokens (P, tables) of peaks (P,) with their precursors (P,). NO_BIN where training had no peak."""
        both = masses(mz, precursor_mz)
        columns: list[NDArray[np.int64]] = []
        first = 1
        for number, table in enumerate(self.bins):
            bins = bin_of(both[number % 2], WIDTHS_DA[number // 2])
            rows = np.searchsorted(table, bins).clip(0, max(len(table) - 1, 0))
            known = table[rows] == bins if len(table) else np.zeros(len(bins), bool)
            columns.append(np.where(known, first + rows, NO_BIN))
            first += len(table)
        return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class BinnedSpectra:
    """B spectra as flat tokens with weights, the input of an embedding bag, and the numbers of their ions."""

    tokens: NDArray[np.int64]  # (T,)
    weights: NDArray[np.float32]  # (T,) square root of intensity; unit length over the peaks of a spectrum
    offsets: NDArray[np.int64]  # (B,) first token of each spectrum
    ions: NDArray[np.float32]  # (B, N_ION_NUMBERS) see `ion_numbers`


def bin_spectra(
    features: Sequence[SpectrumFeatures], neutral_mass: Sequence[float], vocabulary: BinVocabulary
) -> BinnedSpectra:
    counts = np.array([len(spectrum.mz) for spectrum in features], np.int64)
    precursor = np.array([spectrum.precursor_mz for spectrum in features])
    flat = np.concatenate([spectrum.mz for spectrum in features])
    intensity = np.concatenate([spectrum.intensity for spectrum in features])
    tokens = vocabulary.tokens(flat, np.repeat(precursor, counts))
    ions = ion_numbers(
        precursor,
        np.array(neutral_mass),
        np.array([spectrum.adduct for spectrum in features]),
        np.array([spectrum.energy for spectrum in features], np.float32),
        np.array([spectrum.energy_kind for spectrum in features]),
    )
    return pack_spectra(tokens, np.sqrt(intensity), counts, ions)


def pack_spectra(
    tokens: NDArray[np.int64],
    heights: NDArray[np.float32],
    counts: NDArray[np.int64],
    ions: NDArray[np.float32],
) -> BinnedSpectra:
    """Spectra from the tokens (P, tables) and heights (P,) of their peaks; `counts` (B,) peaks for each."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    squares = np.add.reduceat(heights**2, starts) + 1e-6
    weights = heights / np.repeat(np.sqrt(squares), counts)
    tables = tokens.shape[1]
    return BinnedSpectra(tokens.ravel(), np.repeat(weights, tables).astype(np.float32), starts * tables, ions)


def ion_numbers(
    precursor_mz: NDArray[np.float64],
    neutral_mass: NDArray[np.float64],
    adduct: NDArray[np.int64],
    energy: NDArray[np.float32],
    energy_kind: NDArray[np.int64],
) -> NDArray[np.float32]:
    """(B, N_ION_NUMBERS): masses with mass defect, adduct and energy. A blind model reads nothing else."""
    angle = 2 * np.pi * neutral_mass  # the mass defect, without a jump between 0 and 1
    numbers = np.stack(
        [precursor_mz / 500, neutral_mass / 500, neutral_mass % 1, np.sin(angle), np.cos(angle), energy],
        axis=1,
    )
    mass_steps = np.maximum(0, 1 - np.abs(neutral_mass[:, None] - _MASS_STEPS_DA) / 25.0)
    parts = [numbers, np.eye(N_ADDUCTS)[adduct], np.eye(N_ENERGY_KINDS)[energy_kind], mass_steps]
    return np.concatenate(parts, axis=1).astype(np.float32)


def peak_rows(
    offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the peaks of the spectra in `rows`, and the index of each peak's spectrum in `rows`."""
    counts = offsets[rows + 1] - offsets[rows]
    spectrum = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return offsets[rows][spectrum] + within, spectrum


def masses(
    mz: NDArray[np.float32], precursor_mz: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """m/z and neutral loss of peaks (P,)."""
    return mz.astype(np.float64), precursor_mz - mz


def bin_of(mass: NDArray[np.float64], width: float) -> NDArray[np.int64]:
    """Number of the bin of each mass. Negative masses are in bin 0, which no vocabulary holds."""
    return np.floor(np.maximum(mass, 0) / width).astype(np.int64)
