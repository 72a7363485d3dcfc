"""A spectrum's peaks as numbered bins of m/z and of neutral loss, at two widths. Plain numpy.

The wide bins are filled by many compounds and always say something; the narrow ones tell formulas apart
where the instrument did.
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
    """Bins that training filled, ascending, one array a table: m/z then loss of each width."""

    bins: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        """Tokens, NO_BIN included."""
        return 1 + sum(len(table) for table in self.bins)

    def tokens(self, mz: NDArray[np.float32], precursor_mz: NDArray[np.float64]) -> NDArray[np.int64]:
        """Peaks (P,) and the precursor of each to tokens (P, tables), NO_BIN where training saw none."""
        both = masses(mz, precursor_mz)
        columns: list[NDArray[np.int64]] = []
        first = 1
        for number, table in enumerate(self.bins):
            places = bin_of(both[number % 2], WIDTHS_DA[number // 2])
            found = np.searchsorted(table, places).clip(0, max(len(table) - 1, 0))
            known = table[found] == places if len(table) else np.zeros(len(places), bool)
            columns.append(np.where(known, first + found, NO_BIN))
            first += len(table)
        return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class BinnedSpectra:
    """B spectra as flat tokens with weights, ready for an embedding bag, and their ions' numbers."""

    tokens: NDArray[np.int64]  # (T,)
    weights: NDArray[np.float32]  # (T,) square root of intensity, unit length over a spectrum's peaks
    offsets: NDArray[np.int64]  # (B,) first token of each spectrum
    ions: NDArray[np.float32]  # (B, N_ION_NUMBERS) what is known without any peak


def bin_spectra(
    features: Sequence[SpectrumFeatures], neutral_mass: Sequence[float], vocabulary: BinVocabulary
) -> BinnedSpectra:
    counts = np.array([len(one.mz) for one in features], np.int64)
    precursor = np.array([one.precursor_mz for one in features])
    flat = np.concatenate([one.mz for one in features])
    intensity = np.concatenate([one.intensity for one in features])
    tokens = vocabulary.tokens(flat, np.repeat(precursor, counts))
    ions = ion_numbers(
        precursor,
        np.array(neutral_mass),
        np.array([one.adduct for one in features]),
        np.array([one.energy for one in features], np.float32),
        np.array([one.energy_kind for one in features]),
    )
    return gather(tokens, np.sqrt(intensity), counts, ions)


def gather(
    tokens: NDArray[np.int64],
    heights: NDArray[np.float32],
    counts: NDArray[np.int64],
    ions: NDArray[np.float32],
) -> BinnedSpectra:
    """Peaks' tokens (P, tables) and heights (P,) of spectra with `counts` peaks each, heights normed."""
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
    """(B, N_ION_NUMBERS): masses with their defect, adduct and energy; all that a blind model sees."""
    turn = 2 * np.pi * neutral_mass
    numbers = np.stack(
        [precursor_mz / 500, neutral_mass / 500, neutral_mass % 1, np.sin(turn), np.cos(turn), energy], axis=1
    )
    near = np.maximum(0, 1 - np.abs(neutral_mass[:, None] - _MASS_STEPS_DA) / 25.0)
    parts = [numbers, np.eye(N_ADDUCTS)[adduct], np.eye(N_ENERGY_KINDS)[energy_kind], near]
    return np.concatenate(parts, axis=1).astype(np.float32)


def peak_rows(
    offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat peak numbers of the spectra in `rows`, and of each the place in `rows`."""
    counts = offsets[rows + 1] - offsets[rows]
    places = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return offsets[rows][places] + within, places


def masses(
    mz: NDArray[np.float32], precursor_mz: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return mz.astype(np.float64), precursor_mz - mz


def bin_of(mass: NDArray[np.float64], width: float) -> NDArray[np.int64]:
    """Bin of a mass; 0, which no vocabulary holds, for what is below the first bin."""
    return np.floor(np.maximum(mass, 0) / width).astype(np.int64)
