"""What the spectrum encoder is told about a spectrum, as plain numbers. Imports neither torch nor RDKit."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.preprocess import MAX_PEAKS, preprocess
from models_ml.spectra.spectrum import Spectrum

# Places 0 and 1 are for every other adduct, by its sign.
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
ADDUCT_PLACES = {notation: place for place, notation in enumerate(_ADDUCTS, start=2)}
ENERGY_NOT_STATED, ENERGY_EV, ENERGY_PERCENT, ENERGY_BARE = range(4)
MAX_ENERGY = 300.0  # beyond it stand kV of sector instruments and misprints

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PERCENT = re.compile(r"%|nce|normali|nominal", re.IGNORECASE)
_VOLTS = re.compile(r"\d\s*e?v\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumFeatures:
    mz: NDArray[np.float32]  # (N,) ascending
    intensity: NDArray[np.float32]  # (N,) relative to the base peak
    precursor_mz: float
    adduct: int  # place in the adduct table
    energy: float  # the stated number / 100; 0 if none
    energy_kind: int


def spectrum_features(spectrum: Spectrum, adduct: str, *, max_peaks: int = MAX_PEAKS) -> SpectrumFeatures:
    """`adduct` in our notation. The spectrum must have a precursor."""
    if spectrum.precursor_mz is None:
        raise ValueError("A spectrum without a precursor has no features; it is refused before.")
    peaks = preprocess(spectrum, max_peaks=max_peaks)
    energy, kind = read_energy(spectrum.collision_energy, spectrum.collision_energy_ev)
    return SpectrumFeatures(
        mz=peaks.mz.astype(np.float32),
        intensity=peaks.intensity.astype(np.float32),
        precursor_mz=float(spectrum.precursor_mz),
        adduct=adduct_place(adduct),
        energy=energy,
        energy_kind=kind,
    )


def adduct_place(adduct: str) -> int:
    return ADDUCT_PLACES.get(adduct, 0 if adduct.endswith("+") else 1)


def read_energy(text: str, energy_ev: float | None) -> tuple[float, int]:
    """The first number of a collision energy / 100, and what it is a number of.

    Ramps and steps give their mean: the network wants to know how hard it was hit, not the exact program.
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
