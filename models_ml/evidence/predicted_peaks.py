"""Input of the intensity network: all possible ions of a candidate, and the measured peaks that they match.

`fragments` keeps one ion for each measured peak. Here every ion counts, so that a predicted peak that was not
measured is evidence as well. Needs RDKit, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.fragment_table import fragment_table
from models_ml.evidence.fragments import MAX_PEAKS, StrongestPeaks, match_tolerance
from models_ml.evidence.ion_shares import FragmentTable, PairIons, SpectrumPeaks, conditions
from models_ml.molecules.fragment_ions import SHIFTS_ASCENDING, ion_mz, ion_sign, table_metal

_ABOVE_PRECURSOR_DA = 2.0  # the precursor's isotopes. A heavier ion cannot be a fragment of it.


def spectrum_peaks(
    peaks: StrongestPeaks, adduct: int, energy: float, energy_kind: int, precursor_mz: float
) -> SpectrumPeaks:
    """`adduct`, `energy`, `energy_kind` as in SpectrumFeatures."""
    numbers = [
        peaks.intensity,
        peaks.of_precursor,
        peaks.mz / 500,
        np.full(len(peaks.mz), len(peaks.mz) / MAX_PEAKS),
    ]
    return SpectrumPeaks(
        conditions(adduct, energy, energy_kind, precursor_mz),
        np.stack(numbers, axis=1).astype(np.float32),
        peaks.weight,
    )


def candidate_ions(
    peaks: StrongestPeaks, smiles: Sequence[str], adduct: str, precursor_mz: float
) -> list[PairIons]:
    """One `PairIons` for each candidate. A structure that cannot be fragmented has the precursor only."""
    tolerance = match_tolerance(peaks.mz)
    anion = ion_sign(adduct) < 0
    pairs: list[PairIons] = []
    for candidate in smiles:
        table = fragment_table(candidate, anion)
        mz, exists = table_ions(table, adduct, precursor_mz)
        ions, matched = _match_peaks(mz, exists, peaks.mz, tolerance)
        packed = np.packbits(exists, axis=1)
        pairs.append(PairIons(table, packed, ions.astype(np.int32), matched.astype(np.uint8)))
    return pairs


def table_ions(
    table: FragmentTable, adduct: str, precursor_mz: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """m/z (R, N_COLUMNS) of the ions of a table, and which of them exist for this adduct."""
    sign, metal = ion_sign(adduct), table_metal(adduct)
    fragment_mass = table.mass[:, None]
    mz_precursor = np.full((len(fragment_mass), 1), precursor_mz)
    is_precursor = np.zeros((len(fragment_mass), 1), bool)
    is_precursor[0] = True  # row 0 is the whole molecule
    without = ion_mz(fragment_mass, SHIFTS_ASCENDING, sign)
    with_metal = ion_mz(fragment_mass, SHIFTS_ASCENDING, sign, metal)
    mz = np.concatenate([without, with_metal, mz_precursor], axis=1)
    exists = np.concatenate([table.bare, table.metal & bool(metal), is_precursor], axis=1)
    return mz, exists & (mz < precursor_mz + _ABOVE_PRECURSOR_DA)


def _match_peaks(
    ions_mz: NDArray[np.float64],
    exists: NDArray[np.bool_],
    peak_mz: NDArray[np.float64],
    tolerance: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat indices (K,) of the ions that match a peak, and the nearest peak (K,) of each."""
    if not len(peak_mz):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(peak_mz, kind="stable")
    ascending = peak_mz[order]
    ions = np.flatnonzero(exists)
    mz = ions_mz.ravel()[ions]
    after = np.searchsorted(ascending, mz).clip(0, len(ascending) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(ascending[before] - mz) <= np.abs(ascending[after] - mz), before, after)
    matches = np.abs(ascending[nearest] - mz) <= tolerance[order[nearest]]
    return ions[matches], order[nearest[matches]]
