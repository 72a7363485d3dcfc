"""What the intensity network reads: spectra, and the ions of their candidates. Plain numpy, no RDKit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.peak_bins import N_ADDUCTS, N_ENERGY_KINDS
from models_ml.spectra.features import ENERGY_EV, ENERGY_PERCENT

N_FRAGMENT_NUMBERS = 31
N_BOND_SLOTS = 4  # two ring cuts break four bonds; what breaks more is described by its first four
N_ATOM_KINDS = 13
N_BOND_KINDS = 1 + 2 * N_ATOM_KINDS**2  # 0: no bond
N_SHIFTS = 7  # -3 to 3 hydrogens beyond those drawn
# Ions of a fragment: bare at each shift, with the adduct's metal at each shift; of the whole molecule also
# the measured precursor, which ammonium or chloride adducts share with no fragment.
N_COLUMNS = 2 * N_SHIFTS + 1
N_CONDITIONS = N_ADDUCTS + 2 * N_ENERGY_KINDS + 4
N_PEAK_NUMBERS = 4
_NCE_MASS = 500.0  # a normalised energy is the eV at this m/z
_LEAST_ENERGY = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class FragmentTable:
    """R fragments of a structure, the whole first, then the easiest of each formula."""

    numbers: NDArray[np.float16]  # (R, N_FRAGMENT_NUMBERS)
    bonds: NDArray[np.int16]  # (R, N_BOND_SLOTS) kinds of the broken bonds
    mass: NDArray[np.float64]  # (R,) of the neutral fragment as drawn
    bare: NDArray[np.bool_]  # (R, N_SHIFTS) ions that exist without a metal
    metal: NDArray[np.bool_]  # (R, N_SHIFTS) and with one


@dataclass(frozen=True, slots=True, eq=False)
class PairIons:
    """The ions of one candidate at the peaks of one spectrum: K ions lie at a peak."""

    table: FragmentTable
    exists: NDArray[np.uint8]  # (R, 2) bits of the N_COLUMNS ions of each fragment
    ions: NDArray[np.int32]  # (K,) flat places in (R, N_COLUMNS)
    peaks: NDArray[np.uint8]  # (K,) the peak of each


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumPeaks:
    """One spectrum: its n strongest peaks and how it was measured."""

    conditions: NDArray[np.float32]  # (N_CONDITIONS,)
    numbers: NDArray[
        np.float32
    ]  # (n, N_PEAK_NUMBERS) intensity, of the precursor's m/z, m/z, number of peaks
    weight: NDArray[np.float32]  # (n,) share by square root of intensity


@dataclass(frozen=True, slots=True, eq=False)
class IonBatch:
    """P pairs of a spectrum and a candidate: F fragments, K ions at peaks and Q peaks, all in one."""

    numbers: NDArray[np.float32]  # (F, N_FRAGMENT_NUMBERS)
    bonds: NDArray[np.int64]  # (F, N_BOND_SLOTS)
    exists: NDArray[np.bool_]  # (F, N_COLUMNS)
    pair: NDArray[np.int64]  # (F,) which pair
    conditions: NDArray[np.float32]  # (P, N_CONDITIONS)
    log_fragments: NDArray[np.float32]  # (P,) logarithm of the number of fragments
    ions: NDArray[np.int64]  # (K,) flat places in (F, N_COLUMNS)
    ion_peak: NDArray[np.int64]  # (K,) the peak of each, of Q
    peak_numbers: NDArray[np.float32]  # (Q, N_PEAK_NUMBERS)
    peak_weight: NDArray[np.float32]  # (Q,)
    peak_pair: NDArray[np.int64]  # (Q,) which pair

    @classmethod
    def of(cls, spectra: Sequence[SpectrumPeaks], pairs: Sequence[Sequence[PairIons]]) -> IonBatch:
        """Every spectrum with its own candidates, in their order."""
        flat = [(spectrum, pair) for spectrum, own in zip(spectra, pairs, strict=True) for pair in own]
        fragments = np.array([len(pair.table.mass) for _, pair in flat])
        peaks = np.array([len(spectrum.weight) for spectrum, _ in flat])
        first_fragment, first_peak = np.cumsum(fragments) - fragments, np.cumsum(peaks) - peaks
        places = range(len(flat))
        exists = np.concatenate([pair.exists for _, pair in flat])
        return cls(
            numbers=np.concatenate([pair.table.numbers for _, pair in flat]).astype(np.float32),
            bonds=np.concatenate([pair.table.bonds for _, pair in flat]).astype(np.int64),
            exists=np.unpackbits(exists, axis=1)[:, :N_COLUMNS].astype(bool),
            pair=np.repeat(places, fragments),
            conditions=np.stack([spectrum.conditions for spectrum, _ in flat]),
            log_fragments=np.log(fragments).astype(np.float32),
            ions=np.concatenate([flat[p][1].ions + first_fragment[p] * N_COLUMNS for p in places]),
            ion_peak=np.concatenate([flat[p][1].peaks + first_peak[p] for p in places]),
            peak_numbers=np.concatenate([spectrum.numbers for spectrum, _ in flat]),
            peak_weight=np.concatenate([spectrum.weight for spectrum, _ in flat]),
            peak_pair=np.repeat(places, peaks),
        )


def conditions(adduct: int, energy: float, energy_kind: int, precursor_mz: float) -> NDArray[np.float32]:
    """(N_CONDITIONS,): adduct, and a stated energy / 100 as it stands, in eV and by mass.

    How hard an ion was hit depends on its mass; records state either of the two.
    """
    kind = np.eye(N_ENERGY_KINDS)[energy_kind]
    by_mass = energy if energy_kind == ENERGY_PERCENT else 0.0
    if energy_kind == ENERGY_EV:
        by_mass = energy * _NCE_MASS / precursor_mz
    in_ev = energy if energy_kind == ENERGY_EV else energy * precursor_mz / _NCE_MASS
    logarithm = np.log(max(by_mass, _LEAST_ENERGY)) if by_mass > 0 else 0.0
    numbers = [2 * by_mass, 2 * in_ev, logarithm, precursor_mz / _NCE_MASS]
    return np.concatenate([np.eye(N_ADDUCTS)[adduct], kind, 2 * energy * kind, numbers]).astype(np.float32)
