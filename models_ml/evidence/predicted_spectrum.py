"""The spectrum that the intensity network predicts for a structure, without torch.

The web server draws it. The network is small, so numpy computes it in milliseconds;
`models_ml.networks.fragment_intensity` is the definition, and a test compares both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from models_ml.checkpoint_info import file_sha256
from models_ml.evidence.fragment_table import fragment_table
from models_ml.evidence.fragments import match_tolerance
from models_ml.evidence.ion_shares import conditions
from models_ml.evidence.predicted_peaks import table_ions
from models_ml.molecules.fragment_ions import ion_sign
from models_ml.spectra.features import adduct_index, read_energy

Weights = Mapping[str, NDArray[np.float32]]

_RANKING_FILE = "ranking.safetensors"
_PREFIX = "predicted."
# Both as in `fragment_intensity`; a test compares the results.
_MAX_LOGIT = 14.0
_ELSEWHERE_LOGIT = 3.0
_MAX_PEAKS = 60
_MIN_RELATIVE = 1e-3  # of the base peak, as in `spectra.preprocess`
_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSpectrum:
    """Ascending m/z. Only ions of the structure: the network expects other peaks besides."""

    mz: NDArray[np.float64]
    intensity: NDArray[np.float64]  # relative to the base peak, in (0, 1]
    precursor_mz: float
    share_of_fragments: float  # of the square-root intensity that the network expects on fragments, 0 to 1


class NoPrediction(Exception):
    """This machine cannot predict: what is missing."""


@lru_cache(maxsize=4)
def read_weights(folder: str, ranking_sha256: str) -> Weights:
    """The weights of the intensity network in a checkpoint. Raises NoPrediction. About 100 kB."""
    path = Path(folder) / _RANKING_FILE
    if not path.exists():
        raise NoPrediction(
            "The checkpoint of this result is not on this machine, so nothing can be predicted."
        )
    if file_sha256(path) != ranking_sha256:
        raise NoPrediction("The checkpoint on this machine is not the one of this result.")
    with safe_open(path, framework="numpy") as stored:
        names = [name for name in stored.keys() if name.startswith(_PREFIX)]  # noqa: SIM118 (not a mapping)
        weights = {name.removeprefix(_PREFIX): stored.get_tensor(name) for name in names}
    if not weights:
        raise NoPrediction("The model of this result has no network that predicts fragments.")
    return weights


def predict_spectrum(
    weights: Weights,
    smiles: str,
    adduct: str,
    precursor_mz: float,
    collision_energy: str = "",
    collision_energy_ev: float | None = None,
) -> PredictedSpectrum:
    """At most 60 peaks. Raises ValueError for an unknown adduct.

    The network predicts shares of the square-root intensity; the squares are drawn.
    """
    energy, kind = read_energy(collision_energy, collision_energy_ev)
    measured = conditions(adduct_index(adduct), energy, kind, precursor_mz)
    table = fragment_table(smiles, ion_sign(adduct) < 0)
    mz, exists = table_ions(table, adduct, precursor_mz)
    logits = _ion_logits(weights, table.numbers.astype(np.float32), table.bonds.astype(np.int64), measured)
    strength = np.where(exists, np.exp(logits, dtype=np.float64), 0.0)
    elsewhere = math.exp(_elsewhere_logit(weights, measured, len(table.mass)))
    total = strength.sum()
    merged_mz, heights = _merge(mz[exists], strength[exists])
    intensity = (heights / heights.max()) ** 2 if heights.size else heights
    strongest = np.argsort(-intensity, kind="stable")[:_MAX_PEAKS]
    kept = np.sort(strongest[intensity[strongest] >= _MIN_RELATIVE])
    return PredictedSpectrum(
        merged_mz[kept], intensity[kept], precursor_mz, float(total / (total + elsewhere))
    )


def _ion_logits(
    weights: Weights,
    numbers: NDArray[np.float32],
    bonds: NDArray[np.int64],
    measured: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(R, N_COLUMNS): `FragmentIntensity.forward` of one pair, not yet masked by the ions that can exist."""
    x = _linear(weights, "intensity.fragment", numbers)
    # Kind 0 is "no bond": padding, which the sum leaves out.
    x = x + (weights["intensity.bonds.weight"][bonds] * (bonds > 0)[:, :, None]).sum(axis=1)
    x = x * (1 + _linear(weights, "intensity.gate", measured)) + _linear(weights, "intensity.shift", measured)
    logits = _linear(weights, "intensity.ions", _gelu(_linear(weights, "intensity.hidden", _gelu(x))))
    bounded: NDArray[np.float32] = _MAX_LOGIT * np.tanh(logits / _MAX_LOGIT)
    return bounded


def _elsewhere_logit(weights: Weights, measured: NDArray[np.float32], n_fragments: int) -> float:
    x = np.append(measured, np.float32(math.log(n_fragments) / 6))
    hidden = _gelu(_linear(weights, "elsewhere.0", x))
    logit = float(_linear(weights, "elsewhere.2", hidden)[0])
    return min(max(logit + _ELSEWHERE_LOGIT, -5.0), 11.0)


def _linear(weights: Weights, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    y: NDArray[np.float32] = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return y


def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    y: NDArray[np.float32] = (0.5 * x * (1 + _erf(x / math.sqrt(2)).astype(np.float32))).astype(np.float32)
    return y


def _merge(
    mz: NDArray[np.float64], strength: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ions that no instrument separates become one peak at their mean m/z."""
    if not mz.size:
        return mz, strength
    order = np.argsort(mz, kind="stable")
    mz, strength = mz[order], strength[order]
    first = np.flatnonzero(np.append(True, np.diff(mz) > match_tolerance(mz[1:])))
    heights = np.add.reduceat(strength, first)
    return np.add.reduceat(mz * strength, first) / heights, heights
