"""Builders of spectra of a run and of MS1 peaks."""

from __future__ import annotations

from typing import Any

import numpy as np

from models_ml.spectra.spectrum import FloatArray, Spectrum
from models_ml.spectra.survey import Document
from tests.models_ml.spectra.builders import make_spectrum

RUN = Document("", "mzml")
PEAKS_A = ((60.0, 20.0), (91.054, 100.0), (119.049, 60.0))
PEAKS_B = ((71.0, 80.0), (101.02, 100.0), (133.03, 40.0))


def scan(
    time_s: float, mz: float = 237.11, peaks: Any = PEAKS_A, scale: float = 1.0, **fields: Any
) -> Spectrum:
    values: dict[str, Any] = {
        "mz": np.array([peak for peak, _ in peaks]),
        "intensity": scale * np.array([height for _, height in peaks]),
        "precursor_mz": mz, "retention_time_s": time_s, "adduct": None, "charge": None, "document": RUN,
    }  # fmt: skip
    return make_spectrum(**{**values, **fields})


def ms1(*peaks: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    ordered = sorted(peaks)
    return np.array([mz for mz, _ in ordered]), np.array([height for _, height in ordered])
