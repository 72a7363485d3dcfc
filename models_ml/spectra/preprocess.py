"""Selects the peaks that the networks read. Versioned; the raw peaks never change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra.spectrum import FloatArray, Spectrum

# A change below changes the meaning of all stored results: raise the version and train again.
PREPROCESS_VERSION = "1"

MAX_PEAKS = 64
# Share of the base peak. Smaller peaks of the training spectra are mostly noise of centroiding. The records
# of different instruments end between 0.01 % and 1 %.
NOISE_FLOOR = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Selected peaks, ascending m/z. Intensity is relative to the base peak, in (0, 1]."""

    mz: FloatArray
    intensity: FloatArray

    def __len__(self) -> int:
        return int(self.mz.shape[0])


def preprocess(spectrum: Spectrum, *, max_peaks: int = MAX_PEAKS) -> Peaks:
    """The `max_peaks` strongest peaks above the noise floor. Empty if no peak is usable."""
    kept = read_indices(spectrum, max_peaks=max_peaks)
    intensity = spectrum.intensity[kept]
    return Peaks(spectrum.mz[kept], intensity / intensity.max() if intensity.size else intensity)


def read_indices(spectrum: Spectrum, *, max_peaks: int = MAX_PEAKS) -> NDArray[np.intp]:
    """Indices in the spectrum of the peaks that `preprocess` selects, by ascending m/z."""
    mz, intensity = spectrum.mz, spectrum.intensity
    usable = np.flatnonzero(np.isfinite(mz) & np.isfinite(intensity) & (mz > 0) & (intensity > 0))
    if usable.size == 0:
        return usable
    relative = intensity[usable] / intensity[usable].max()
    strong = usable[relative >= NOISE_FLOOR]
    # Strongest first, ties by m/z, so that the selection does not depend on the order in the file.
    kept = strong[np.lexsort((mz[strong], -relative[relative >= NOISE_FLOOR]))[:max_peaks]]
    ascending: NDArray[np.intp] = kept[np.argsort(mz[kept], kind="stable")]
    return ascending
