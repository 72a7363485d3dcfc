"""Strata of spectra: by adduct, ion mode, instrument, number of peaks and similarity to training data."""

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
# Letters in an instrument type ("LC-ESI-ITFT", "Orbitrap"). The first group that matches is used.
INSTRUMENTS = {
    "Orbitrap": ("FT", "ORBITRAP", "HCD"),
    "QTOF": ("TOF",),
    "triple quadrupole": ("QQ",),
    "ion trap": ("IT", "TRAP"),
}


def strata_names(cases: Sequence[Case], nearest_training: Mapping[str, float] | None) -> dict[str, list[str]]:
    """For each property, the stratum of each case. `nearest_training`: by compound; None: not used."""
    names = {
        "adduct": [case.spectrum.adduct or "not stated" for case in cases],
        "ion_mode": [case.spectrum.ion_mode or _mode(case.spectrum) for case in cases],
        "instrument": [instrument_group(case.spectrum.instrument_type) for case in cases],
        "n_peaks": [_between(case.spectrum.n_peaks, PEAK_BOUNDS, whole=True) for case in cases],
    }
    if nearest_training is not None:
        names["nearest_training_tanimoto"] = [
            _between(nearest_training[case.compound], TANIMOTO_BOUNDS) for case in cases
        ]
    return names


def strata_metrics(
    names_by_property: Mapping[str, Sequence[str]],
    hit: Floats,
    blind_hit: Floats | None,
    compounds: Sequence[str],
) -> dict[str, dict[str, dict[str, Any]]]:
    """hit@1, blind hit@1 and size of each stratum, by property and stratum."""
    compound = np.array(compounds)
    metrics: dict[str, dict[str, dict[str, Any]]] = {}
    for property_name, names in names_by_property.items():
        metrics[property_name] = {}
        array = np.array(names)
        for name in _sorted(set(names)):
            members = array == name
            metrics[property_name][name] = {
                "hit@1": round(float(hit[members].mean()), 4),
                "blind_hit@1": None if blind_hit is None else round(float(blind_hit[members].mean()), 4),
                "n_spectra": int(members.sum()),
                "n_compounds": len(np.unique(compound[members])),
            }
    return metrics


def nearest_training_tanimoto(cases: Sequence[Case], training: NDArray[np.uint8]) -> dict[str, float]:
    """Tanimoto similarity of each compound to the most similar training molecule.

    `training`: packed fingerprints (m, 256).
    """
    fingerprints = {case.compound: case.truth.fingerprint for case in cases}
    return {
        compound: float(bulk_tanimoto(fingerprint, training).max(initial=0.0))
        for compound, fingerprint in fingerprints.items()
    }


def instrument_group(instrument_type: str) -> str:
    """One group for all Fourier transform instruments, and one for all time-of-flight instruments."""
    kind = instrument_type.upper()
    for group, marks in INSTRUMENTS.items():
        if any(mark in kind for mark in marks):
            return group
    return "other"


def _mode(spectrum: Spectrum) -> str:
    return {"+": "positive", "-": "negative"}.get((spectrum.adduct or " ")[-1], "not stated")


def _between(value: float, bounds: Sequence[float], *, whole: bool = False) -> str:
    """The name of the interval that contains the value. A bound belongs to the interval above it."""
    if value < bounds[0]:
        return f"< {bounds[0]}"
    for low, high in pairwise(bounds):
        if value < high:
            return f"{low}-{high - 1}" if whole else f"{low}-{high}"
    return f">= {bounds[-1]}"


def _sorted(names: set[str]) -> list[str]:
    """Intervals in ascending order; other names in alphabetical order."""

    def key(name: str) -> tuple[int, float, str]:
        low = name.split("-")[0]
        is_interval = low.replace(".", "", 1).isdigit()
        return (0 if name[0] == "<" else 2 if name[0] == ">" else 1, float(low) if is_interval else 0.0, name)

    return sorted(names, key=key)
