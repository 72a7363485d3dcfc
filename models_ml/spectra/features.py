"""Input of the spectrum encoder as plain numbers. Imports neither torch nor RDKit."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.preprocess import MAX_PEAKS, preprocess
from models_ml.spectra.spectrum import Spectrum

# Index 0 is any other cation, index 1 any other anion.
_ADDUCTS = [
    "[M+H]+",
    "[M-H]-",
    "[M]+",
    "[M+Na]+",
    "[M+NH4]+",
    "[M+HCOO]-",
    "[M+CH3COO]-",
    "[M-H2O+H]+",
    "[M+K]+",
    "[M+Cl]-",
]
ADDUCT_INDEX = {notation: index for index, notation in enumerate(_ADDUCTS, start=2)}
ENERGY_NOT_STATED, ENERGY_EV, ENERGY_PERCENT, ENERGY_BARE = range(4)
MAX_ENERGY = 300.0  # larger numbers are kV of sector instruments or typing errors

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PERCENT = re.compile(r"%|nce|normali|nominal", re.IGNORECASE)
_VOLTS = re.compile(r"\d\s*e?v\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumFeatures:
    mz: NDArray[np.float32]  # (N,) ascending
    intensity: NDArray[np.float32]  # (N,) relative to the base peak
    precursor_mz: float
    adduct: int  # index, see `adduct_index`
    energy: float  # the stated number / 100; 0 if not stated
    energy_kind: int  # unit of the stated number: one of ENERGY_*


def spectrum_features(spectrum: Spectrum, adduct: str, *, max_peaks: int = MAX_PEAKS) -> SpectrumFeatures:
    """`adduct` in our notation. Raises ValueError without a precursor m/z."""
    if spectrum.precursor_mz is None:
        raise ValueError(
            "A spectrum without a precursor m/z has no features. Check it first with `mass_window`."
        )
    peaks = preprocess(spectrum, max_peaks=max_peaks)
    energy, kind = read_energy(spectrum.collision_energy, spectrum.collision_energy_ev)
    return SpectrumFeatures(
        mz=peaks.mz.astype(np.float32),
        intensity=peaks.intensity.astype(np.float32),
        precursor_mz=float(spectrum.precursor_mz),
        adduct=adduct_index(adduct),
        energy=energy,
        energy_kind=kind,
    )


def adduct_index(adduct: str) -> int:
    """Index of an adduct in our notation; 0 or 1 for an adduct without an index."""
    return ADDUCT_INDEX.get(adduct, 0 if adduct.endswith("+") else 1)


def read_energy(text: str, energy_ev: float | None) -> tuple[float, int]:
    """The number of a collision energy / 100, and its kind: one of ENERGY_*.

    The mean of at most three numbers: for the network the mean energy of a ramp or of steps is precise
    enough.
    """
    if energy_ev is not None:
        return min(energy_ev, MAX_ENERGY) / 100, ENERGY_EV
    numbers = [float(number) for number in _NUMBER.findall(text)]
    numbers = [number for number in numbers if number <= MAX_ENERGY][:3]
    if not numbers:
        return 0.0, ENERGY_NOT_STATED
    mean = sum(numbers) / len(numbers) / 100
    if _PERCENT.search(text):
        return mean, ENERGY_PERCENT
    return mean, ENERGY_EV if _VOLTS.search(text) else ENERGY_BARE
