"""Strata of the formula ranking: by m/z, adduct, instrument, number of peaks and contributor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.measures.strata import instrument_group
from models_ml.evaluate.ranking import Floats
from models_ml.training.formulas.measurement import KnownSpectrum

MZ_BOUNDS = (200, 300, 400, 500, 650)
PEAK_BOUNDS = (2, 5, 10, 20)


def formula_strata(
    known: Sequence[KnownSpectrum], hits: Mapping[str, Floats]
) -> dict[str, dict[str, dict[str, Any]]]:
    """By property and stratum: mean of each of `hits` (n,), and the size."""
    names = {
        "precursor_mz": [_mz_range(spectrum.precursor_mz) for spectrum in known],
        "adduct": [spectrum.adduct for spectrum in known],
        "instrument": [instrument_group(spectrum.spectrum.instrument_type) for spectrum in known],
        "n_peaks": [_peak_range(spectrum.spectrum.n_peaks) for spectrum in known],
        "contributor": [_contributor(spectrum) for spectrum in known],
    }
    compound = np.array([spectrum.compound for spectrum in known])
    strata: dict[str, dict[str, dict[str, Any]]] = {}
    for property_name, values in names.items():
        array = np.array(values)
        strata[property_name] = {
            value: _stratum(array == value, hits, compound) for value in sorted(set(values), key=_order)
        }
    return strata


def _stratum(
    members: NDArray[np.bool_], hits: Mapping[str, Floats], compound: NDArray[np.str_]
) -> dict[str, Any]:
    return {
        **{name: round(float(hit[members].mean()), 4) for name, hit in hits.items()},
        "n_spectra": int(members.sum()),
        "n_compounds": len(np.unique(compound[members])),
    }


def _mz_range(mz: float) -> str:
    lower = max((bound for bound in MZ_BOUNDS if bound <= mz), default=0)
    upper = min((bound for bound in MZ_BOUNDS if bound > mz), default=None)
    return f"{lower}-{upper}" if upper else f"{lower} and above"


def _peak_range(n_peaks: int) -> str:
    lower = max((bound for bound in PEAK_BOUNDS if bound <= n_peaks), default=0)
    upper = min((bound for bound in PEAK_BOUNDS if bound > n_peaks), default=None)
    return f"{lower}-{upper - 1}" if upper else f"{lower} and more"


def _contributor(known: KnownSpectrum) -> str:
    """The second part of a MassBank accession, "MSBNK-NaToxAq-NA002474"; empty for other titles."""
    parts = known.spectrum.title.split("-")
    return parts[1] if len(parts) == 3 and parts[0] == "MSBNK" else ""


def _order(name: str) -> tuple[int, str]:
    """Ranges by their lower bound, other names by letter."""
    digits = name.split("-")[0].split(" ")[0]
    return (int(digits) if digits.isdigit() else 0, name)
