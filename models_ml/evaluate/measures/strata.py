"""Parts of the spectra: by adduct, ion mode, instrument, number of peaks, nearness to a training compound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import Case
from models_ml.evaluate.ranking import Floats
from models_ml.molecules.fingerprint import bulk_tanimoto
from models_ml.spectra.spectrum import Spectrum

PEAK_BOUNDS = (5, 10, 20, 50)
TANIMOTO_BOUNDS = (0.4, 0.6, 0.8)
# Letters in an instrument type ("LC-ESI-ITFT", "Orbitrap"), the telling ones first.
INSTRUMENTS = {
    "Orbitrap": ("FT", "ORBITRAP", "HCD"),
    "QTOF": ("TOF",),
    "triple quadrupole": ("QQ",),
    "ion trap": ("IT", "TRAP"),
}


def stratum_of(cases: Sequence[Case], nearest_training: Mapping[str, float] | None) -> dict[str, list[str]]:
    """The name of each case's part, by what the parts are made by."""
    named = {
        "adduct": [case.spectrum.adduct or "not stated" for case in cases],
        "ion_mode": [case.spectrum.ion_mode or _mode(case.spectrum) for case in cases],
        "instrument": [instrument_group(case.spectrum.instrument_type) for case in cases],
        "n_peaks": [_between(case.spectrum.n_peaks, PEAK_BOUNDS, whole=True) for case in cases],
    }
    if nearest_training is not None:
        named["nearest_training_tanimoto"] = [
            _between(nearest_training[case.compound], TANIMOTO_BOUNDS) for case in cases
        ]
    return named


def strata_figures(
    named: Mapping[str, Sequence[str]], hit: Floats, blind_hit: Floats | None, compounds: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """hit@1, blind hit@1 and sizes of each part."""
    compound = np.array(compounds)
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for by, names in named.items():
        figures[by] = {}
        array = np.array(names)
        for name in _sorted(set(names)):
            part = array == name
            figures[by][name] = {
                "hit@1": round(float(hit[part].mean()), 4),
                "blind_hit@1": None if blind_hit is None else round(float(blind_hit[part].mean()), 4),
                "n_spectra": int(part.sum()),
                "n_compounds": len(np.unique(compound[part])),
            }
    return figures


def nearest_training_tanimoto(cases: Sequence[Case], training: NDArray[np.uint8]) -> dict[str, float]:
    """By compound: Tanimoto to the most similar training molecule; `training` (m, 256)."""
    fingerprints = {case.compound: case.truth.fingerprint for case in cases}
    return {
        compound: float(bulk_tanimoto(fingerprint, training).max(initial=0.0))
        for compound, fingerprint in fingerprints.items()
    }


def instrument_group(instrument_type: str) -> str:
    """Orbitraps and other Fourier transform instruments are one group, as are all with a time of flight."""
    kind = instrument_type.upper()
    for group, marks in INSTRUMENTS.items():
        if any(mark in kind for mark in marks):
            return group
    return "other"


def _mode(spectrum: Spectrum) -> str:
    return {"+": "positive", "-": "negative"}.get((spectrum.adduct or " ")[-1], "not stated")


def _between(value: float, bounds: Sequence[float], *, whole: bool = False) -> str:
    """The part of the number line that a value lies in; a bound belongs to the part above it."""
    if value < bounds[0]:
        return f"< {bounds[0]}"
    for low, high in pairwise(bounds):
        if value < high:
            return f"{low}-{high - 1}" if whole else f"{low}-{high}"
    return f">= {bounds[-1]}"


def _sorted(names: set[str]) -> list[str]:
    """Below the first bound, between bounds by number, above the last; other names by letter."""

    def place(name: str) -> tuple[int, float, str]:
        number = name.split("-")[0]
        between = number.replace(".", "", 1).isdigit()
        return (0 if name[0] == "<" else 2 if name[0] == ">" else 1, float(number) if between else 0.0, name)

    return sorted(names, key=place)
