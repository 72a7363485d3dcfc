"""Makes of a raw spectrum the peaks that the network sees: a new, versioned view. Raw peaks never change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_ml.spectra.spectrum import FloatArray, Spectrum

# Changing anything below changes every stored result's meaning: raise it, and train anew.
PREPROCESS_VERSION = "1"

MAX_PEAKS = 64
# Of the base peak. Below it the training spectra hold mostly noise of centroiding; they come from
# instruments whose records stop anywhere between 0.01 % and 1 %.
NOISE_FLOOR = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Kept peaks, ascending m/z; intensity relative to the strongest, in (0, 1]."""

    mz: FloatArray
    intensity: FloatArray

    def __len__(self) -> int:
        return int(self.mz.shape[0])


def preprocess(spectrum: Spectrum, *, max_peaks: int = MAX_PEAKS) -> Peaks:
    """Keep the `max_peaks` strongest peaks above the noise floor. May be empty, if no peak is usable."""
    mz, intensity = spectrum.mz, spectrum.intensity
    usable = np.isfinite(mz) & np.isfinite(intensity) & (mz > 0) & (intensity > 0)
    mz, intensity = mz[usable], intensity[usable]
    if mz.size == 0:
        return Peaks(mz, intensity)
    relative = intensity / intensity.max()
    strong = relative >= NOISE_FLOOR
    mz, relative = mz[strong], relative[strong]
    # Strongest first, equal ones by m/z, so that the cut does not depend on the order in the file.
    kept = np.lexsort((mz, -relative))[:max_peaks]
    kept = kept[np.argsort(mz[kept], kind="stable")]
    return Peaks(mz[kept], relative[kept])
