"""How the fragments of candidates explain the peaks of a spectrum, as input of the fragment scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.fragment_matches import Explained
from models_ml.molecules.cleavage import Fragments, enumerate_fragments
from models_ml.molecules.formula import ELECTRON_MASS
from models_ml.molecules.fragment_ions import ion_sign
from models_ml.molecules.ranked_ions import rank_ions
from models_ml.molecules.structure_text import UnusableStructure, parse_structure
from models_ml.molecules.subformulas import subformula_masses

MAX_PEAKS = 32  # the strongest. More peaks cost time and add little evidence.
# Fixed, and not the tolerance of the job: both fragment networks were trained with it.
TOLERANCE_PPM = 10.0
MIN_TOLERANCE_DA = 0.002
_MAX_BROKEN, _MAX_STUBS = 6, 3  # numbers beyond are cut to these


@dataclass(frozen=True, slots=True, eq=False)
class StrongestPeaks:
    """The n strongest peaks of a spectrum, strongest first."""

    mz: NDArray[np.float64]  # (n,)
    intensity: NDArray[np.float64]  # (n,) relative to the base peak
    weight: NDArray[np.float32]  # (n,) share by square root of intensity
    of_precursor: NDArray[np.float64]  # (n,) m/z divided by that of the precursor


def strongest_peaks(
    mz: NDArray[np.float32], intensity: NDArray[np.float32], precursor_mz: float
) -> StrongestPeaks:
    """At most MAX_PEAKS peaks of the arrays (N,); intensities are relative to the base peak."""
    top = np.argsort(-intensity, kind="stable")[:MAX_PEAKS]
    heights = np.sqrt(intensity[top].astype(np.float64))
    share = (heights / max(heights.sum(), 1e-6)).astype(np.float32)
    masses = mz[top].astype(np.float64)
    return StrongestPeaks(masses, intensity[top].astype(np.float64), share, masses / precursor_mz)


def match_tolerance(mz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half width in Da of the window in which an ion matches a peak; same shape as `mz`."""
    return np.maximum(mz * TOLERANCE_PPM * 1e-6, MIN_TOLERANCE_DA)


def explain_candidates(
    peaks: StrongestPeaks, smiles: Sequence[str], formulas: Sequence[str], adduct: str
) -> list[Explained]:
    """One `Explained` for each candidate. A structure that cannot be fragmented explains nothing."""
    tolerance = match_tolerance(peaks.mz)
    sign = ion_sign(adduct)
    possible = {formula: _possible(peaks, formula, sign, tolerance) for formula in set(formulas)}
    return [
        _explain(peaks, candidate, adduct, tolerance, possible[formula])
        for candidate, formula in zip(smiles, formulas, strict=True)
    ]


def _explain(
    peaks: StrongestPeaks,
    smiles: str,
    adduct: str,
    tolerance: NDArray[np.float64],
    possible: NDArray[np.bool_],
) -> Explained:
    share_possible = float(peaks.weight[possible].sum())
    mz, numbers = _ions(smiles, adduct)
    first = np.searchsorted(mz, peaks.mz - tolerance)
    last = np.searchsorted(mz, peaks.mz + tolerance)
    hits = np.flatnonzero(last > first)
    # Ions are sorted by m/z, so the one of lowest effort can be anywhere in the window.
    ions = np.array(
        [first[hit] + int(np.argmin(numbers[first[hit] : last[hit], 0])) for hit in hits], np.int64
    )
    of_peaks = np.stack(
        [
            peaks.intensity[hits],
            peaks.of_precursor[hits],
            possible[hits],
            np.abs(mz[ions] - peaks.mz[hits]) / tolerance[hits],
        ],
        axis=1,
    )
    matched = np.concatenate([numbers[ions], of_peaks], axis=1).astype(np.float32)
    weight = peaks.weight[hits]
    return Explained(matched, weight, 1.0 - float(weight.sum()), share_possible)


@lru_cache(maxsize=256)
def fragments_of(smiles: str, anion: bool) -> Fragments:
    """Cached, because several channels read the same candidates in turn. Raises UnusableStructure."""
    return enumerate_fragments(parse_structure(smiles), anion=anion)


@lru_cache(maxsize=10_000)
def _ions(smiles: str, adduct: str) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """m/z ascending (I,) and the numbers of each ion (I, 8).

    Numbers: effort, broken bonds, stubs, hydrogen shift, share of atoms, share of hetero atoms, whether it is
    the whole molecule, whether it carries a metal.
    """
    try:
        fragments = fragments_of(smiles, ion_sign(adduct) < 0)
        ions = rank_ions(fragments, adduct)
    except (UnusableStructure, ValueError):
        return np.zeros(0), np.zeros((0, 8), np.float32)
    n_atoms = fragments.atoms.sum(axis=1)
    row = ions.fragment
    n_hetero = fragments.counts[:, 2:].sum(axis=1)
    numbers = np.stack(
        [
            ions.effort,
            np.minimum(fragments.n_broken[row], _MAX_BROKEN),
            np.minimum(fragments.n_stubs[row], _MAX_STUBS),
            ions.shift,
            n_atoms[row] / n_atoms[0],
            n_hetero[row] / np.maximum(n_atoms[row], 1),
            fragments.n_broken[row] == 0,
            ions.carrier > 0,
        ],
        axis=1,
    ).astype(np.float32)
    order = np.lexsort((ions.effort, ions.mz))
    return ions.mz[order], numbers[order]


def _possible(
    peaks: StrongestPeaks, formula: str, sign: int, tolerance: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Peaks (n,) whose m/z a singly charged subformula has, within half the tolerance."""
    masses = subformula_masses(formula)
    neutral = peaks.mz + sign * ELECTRON_MASS
    first = np.searchsorted(masses, neutral - tolerance / 2)
    possible: NDArray[np.bool_] = np.searchsorted(masses, neutral + tolerance / 2) > first
    return possible
