"""Input arrays of the intensity network: spectra, and the ions of their candidates. Plain numpy, no RDKit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.peak_bins import N_ADDUCTS, N_ENERGY_KINDS
from models_ml.spectra.features import ENERGY_EV, ENERGY_PERCENT

N_FRAGMENT_NUMBERS = 31
N_BOND_SLOTS = 4  # two cuts of a ring break four bonds; of more bonds only the first four are described
N_ATOM_KINDS = 13
N_BOND_KINDS = 1 + 2 * N_ATOM_KINDS**2  # 0: no bond
N_SHIFTS = 7  # -3 to 3 hydrogens beyond those drawn
# Ions of a fragment: without a metal at each hydrogen shift, with the metal of the adduct at each shift. The
# last column is the measured precursor, for the whole molecule only: [M+NH4]+ or [M+Cl]- is no fragment ion.
N_COLUMNS = 2 * N_SHIFTS + 1
N_CONDITIONS = N_ADDUCTS + 2 * N_ENERGY_KINDS + 4
N_PEAK_NUMBERS = 4
_NCE_MASS = 500.0  # a normalised energy is the eV at this m/z
_MIN_ENERGY = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class FragmentTable:
    """R fragments of a structure: the whole molecule, then the easiest fragments of each formula."""

    numbers: NDArray[np.float16]  # (R, N_FRAGMENT_NUMBERS)
    bonds: NDArray[np.int16]  # (R, N_BOND_SLOTS) kinds of the broken bonds
    mass: NDArray[np.float64]  # (R,) of the neutral fragment as drawn
    bare: NDArray[np.bool_]  # (R, N_SHIFTS) ions that can exist without a metal
    metal: NDArray[np.bool_]  # (R, N_SHIFTS) ions that can exist with a metal


@dataclass(frozen=True, slots=True, eq=False)
class PairIons:
    """The ions of one candidate at the peaks of one spectrum: K ions match a peak."""

    table: FragmentTable
    exists: NDArray[np.uint8]  # (R, 2) N_COLUMNS bits for each fragment: which ions exist
    ions: NDArray[np.int32]  # (K,) flat indices into (R, N_COLUMNS)
    peaks: NDArray[np.uint8]  # (K,) the peak that each matches


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumPeaks:
    """One spectrum: its n strongest peaks and the conditions of the measurement."""

    conditions: NDArray[np.float32]  # (N_CONDITIONS,)
    # (n, N_PEAK_NUMBERS): intensity, share of the precursor's m/z, m/z, number of peaks
    numbers: NDArray[np.float32]
    weight: NDArray[np.float32]  # (n,) share by square root of intensity


@dataclass(frozen=True, slots=True, eq=False)
class IonBatch:
    """P pairs of a spectrum and a candidate: F fragments, K ions at peaks and Q peaks of all pairs."""

    numbers: NDArray[np.float32]  # (F, N_FRAGMENT_NUMBERS)
    bonds: NDArray[np.int64]  # (F, N_BOND_SLOTS)
    exists: NDArray[np.bool_]  # (F, N_COLUMNS)
    pair: NDArray[np.int64]  # (F,) index of the pair
    conditions: NDArray[np.float32]  # (P, N_CONDITIONS)
    log_fragments: NDArray[np.float32]  # (P,) natural logarithm of the number of fragments
    ions: NDArray[np.int64]  # (K,) flat indices into (F, N_COLUMNS)
    ion_peak: NDArray[np.int64]  # (K,) the peak of Q that each matches
    peak_numbers: NDArray[np.float32]  # (Q, N_PEAK_NUMBERS)
    peak_weight: NDArray[np.float32]  # (Q,)
    peak_pair: NDArray[np.int64]  # (Q,) index of the pair

    @classmethod
    def of(cls, spectra: Sequence[SpectrumPeaks], pairs: Sequence[Sequence[PairIons]]) -> IonBatch:
        """`pairs` holds the candidates of each spectrum; the batch keeps both orders."""
        flat = [
            (spectrum, pair)
            for spectrum, candidates in zip(spectra, pairs, strict=True)
            for pair in candidates
        ]
        fragments = np.array([len(pair.table.mass) for _, pair in flat])
        peaks = np.array([len(spectrum.weight) for spectrum, _ in flat])
        first_fragment, first_peak = np.cumsum(fragments) - fragments, np.cumsum(peaks) - peaks
        pair_indices = range(len(flat))
        exists = np.concatenate([pair.exists for _, pair in flat])
        return cls(
            numbers=np.concatenate([pair.table.numbers for _, pair in flat]).astype(np.float32),
            bonds=np.concatenate([pair.table.bonds for _, pair in flat]).astype(np.int64),
            exists=np.unpackbits(exists, axis=1)[:, :N_COLUMNS].astype(bool),
            pair=np.repeat(pair_indices, fragments),
            conditions=np.stack([spectrum.conditions for spectrum, _ in flat]),
            log_fragments=np.log(fragments).astype(np.float32),
            ions=np.concatenate([flat[p][1].ions + first_fragment[p] * N_COLUMNS for p in pair_indices]),
            ion_peak=np.concatenate([flat[p][1].peaks + first_peak[p] for p in pair_indices]),
            peak_numbers=np.concatenate([spectrum.numbers for spectrum, _ in flat]),
            peak_weight=np.concatenate([spectrum.weight for spectrum, _ in flat]),
            peak_pair=np.repeat(pair_indices, peaks),
        )


def conditions(adduct: int, energy: float, energy_kind: int, precursor_mz: float) -> NDArray[np.float32]:
    """(N_CONDITIONS,): adduct, and the collision energy / 100 as stated, in eV and normalised to the mass.

    Records state the energy in eV or normalised. How strongly an ion fragments depends on energy and mass.
    """
    kind = np.eye(N_ENERGY_KINDS)[energy_kind]
    by_mass = energy if energy_kind == ENERGY_PERCENT else 0.0
    if energy_kind == ENERGY_EV:
        by_mass = energy * _NCE_MASS / precursor_mz
    in_ev = energy if energy_kind == ENERGY_EV else energy * precursor_mz / _NCE_MASS
    logarithm = np.log(max(by_mass, _MIN_ENERGY)) if by_mass > 0 else 0.0
    numbers = [2 * by_mass, 2 * in_ev, logarithm, precursor_mz / _NCE_MASS]
    return np.concatenate([np.eye(N_ADDUCTS)[adduct], kind, 2 * energy * kind, numbers]).astype(np.float32)
