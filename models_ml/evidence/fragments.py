"""How a candidate's fragments explain a spectrum's peaks, as numbers for the fragment scorer. Needs RDKit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models_ml.evidence.fragment_matches import Explained
from models_ml.molecules.cleavage import Fragments, enumerate_fragments
from models_ml.molecules.formula import ELECTRON_MASS, formula_mass, parse_formula
from models_ml.molecules.fragmentation import fragment_ions
from models_ml.molecules.structure_text import UnusableStructure, parse_structure
from models_ml.spectra.adducts import parse as parse_adduct

MAX_PEAKS = 32  # the strongest; the rest would cost more than they tell
TOLERANCE_PPM = 10.0
LEAST_TOLERANCE_DA = 0.002
_MOST_BROKEN, _MOST_STUBS = 6, 3
_MOST_FORMULAS = 200_000  # of a molecule's heavy atoms; a larger one has a subformula at every mass
# Free bonds that an atom adds to a fragment, for the most hydrogens that it can carry.
_FREE_BONDS = {"C": 2, "Si": 2, "N": 1, "P": 1, "B": 1, "O": 0, "S": 0, "Se": 0}


@dataclass(frozen=True, slots=True, eq=False)
class Strongest:
    """The strongest peaks of a spectrum, strongest first: n of them."""

    mz: NDArray[np.float64]  # (n,)
    intensity: NDArray[np.float64]  # (n,) relative to the base peak
    weight: NDArray[np.float32]  # (n,) share by square root of intensity
    of_precursor: NDArray[np.float64]  # (n,) m/z over the precursor's


def strongest_peaks(
    mz: NDArray[np.float32], intensity: NDArray[np.float32], precursor_mz: float
) -> Strongest:
    top = np.argsort(-intensity, kind="stable")[:MAX_PEAKS]
    heights = np.sqrt(intensity[top].astype(np.float64))
    share = (heights / max(heights.sum(), 1e-6)).astype(np.float32)
    masses = mz[top].astype(np.float64)
    return Strongest(masses, intensity[top].astype(np.float64), share, masses / precursor_mz)


def explain_candidates(
    peaks: Strongest, smiles: Sequence[str], formulas: Sequence[str], adduct: str
) -> list[Explained]:
    """One `Explained` a candidate. A structure that cannot be fragmented explains nothing."""
    tolerance = np.maximum(peaks.mz * TOLERANCE_PPM * 1e-6, LEAST_TOLERANCE_DA)
    sign = 1 if parse_adduct(adduct).charge > 0 else -1
    possible = {formula: _possible(peaks, formula, sign, tolerance) for formula in set(formulas)}
    return [
        _explain(peaks, one, adduct, tolerance, possible[formula])
        for one, formula in zip(smiles, formulas, strict=True)
    ]


def _explain(
    peaks: Strongest,
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
    # Ions come easiest first among those of nearly one m/z only by chance: look at each.
    ions = np.array([first[p] + int(np.argmin(numbers[first[p] : last[p], 0])) for p in hits], np.int64)
    matched = np.concatenate(
        [
            numbers[ions],
            np.stack(
                [
                    peaks.intensity[hits],
                    peaks.of_precursor[hits],
                    possible[hits],
                    np.abs(mz[ions] - peaks.mz[hits]) / tolerance[hits],
                ],
                axis=1,
            ),
        ],
        axis=1,
    ).astype(np.float32)
    weight = peaks.weight[hits]
    return Explained(matched, weight, 1.0 - float(weight.sum()), share_possible)


@lru_cache(maxsize=256)
def fragments_of(smiles: str, anion: bool) -> Fragments:
    """Kept for the moment in which several channels look at the same candidates. Raises UnusableStructure."""
    return enumerate_fragments(parse_structure(smiles), anion=anion)


@lru_cache(maxsize=10_000)
def _ions(smiles: str, adduct: str) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """m/z ascending (I,), and of each ion: effort, broken bonds, stubs, hydrogens, share of atoms, share of
    heteroatoms, whether it is the whole molecule, whether it carries a metal."""
    try:
        fragments = fragments_of(smiles, parse_adduct(adduct).charge < 0)
        ions, _, _ = fragment_ions(fragments, adduct)
    except (UnusableStructure, ValueError):
        return np.zeros(0), np.zeros((0, 8), np.float32)
    n_atoms = fragments.atoms.sum(axis=1)
    row = ions.fragment
    hetero = fragments.counts[:, 2:].sum(axis=1)
    numbers = np.stack(
        [
            ions.effort,
            np.minimum(fragments.n_broken[row], _MOST_BROKEN),
            np.minimum(fragments.n_stubs[row], _MOST_STUBS),
            ions.shift,
            n_atoms[row] / n_atoms[0],
            hetero[row] / np.maximum(n_atoms[row], 1),
            fragments.n_broken[row] == 0,
            ions.metal > 0,
        ],
        axis=1,
    ).astype(np.float32)
    order = np.lexsort((ions.effort, ions.mz))
    return ions.mz[order], numbers[order]


def _possible(peaks: Strongest, formula: str, sign: int, tolerance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which peaks have the m/z of some subformula, electrons counted, within half the tolerance."""
    masses = _subformula_masses(formula)
    neutral = peaks.mz + sign * ELECTRON_MASS
    found: NDArray[np.bool_] = np.searchsorted(masses, neutral + tolerance / 2) > np.searchsorted(
        masses, neutral - tolerance / 2
    )
    return found


@lru_cache(maxsize=4_000)
def _subformula_masses(formula: str) -> NDArray[np.float64]:
    """Masses of all parts of a formula that valences allow, ascending; none for a very large one."""
    counts = parse_formula(formula)
    hydrogens = counts.pop("H", 0)
    mass, bonds = np.zeros(1), np.zeros(1)
    for symbol, number in counts.items():
        steps = np.arange(number + 1)
        mass = (mass[:, None] + steps * formula_mass({symbol: 1})).ravel()
        bonds = (bonds[:, None] + steps * _FREE_BONDS.get(symbol, -1)).ravel()
        if len(mass) > _MOST_FORMULAS:
            return np.zeros(0)
    hydrogen = formula_mass({"H": 1})
    parts = [mass[bonds + 3 >= n] + n * hydrogen for n in range(hydrogens + 3)]
    return np.sort(np.concatenate(parts))
