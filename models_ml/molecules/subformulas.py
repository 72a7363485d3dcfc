"""Masses of all parts of a molecular formula that valences allow, whatever the bonds of the structure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.formula import ELECTRON_MASS, format_formula, formula_mass, parse_formula
from models_ml.molecules.fragment_ions import HYDROGEN_MASS, carrier_metals, ion_sign
from models_ml.spectra.spectrum import Spectrum

_MAX_FORMULAS = 200_000  # combinations of heavy atoms. A formula with more has a part at nearly every mass.
# Free bonds that an atom adds to a part; other elements use one. Free bonds limit the hydrogens of a part.
_FREE_BONDS = {"C": 2, "Si": 2, "N": 1, "P": 1, "B": 1, "O": 0, "S": 0, "Se": 0}
_MAX_EXTRA_HYDROGENS = 2
# Limits of `subformulas_of_peaks`, which looks at every part of the formula for every peak. With both, a call
# stays below a quarter of a second on one core.
_MAX_PEAKS = 100  # strongest
_MAX_PARTS = 50_000  # combinations of heavy atoms. With more, some part fits at nearly every mass.


@dataclass(frozen=True, slots=True)
class SubformulaOfPeak:
    """A part of a formula with the mass of a peak. The bonds of the structure are ignored: weak evidence."""

    peak_index: int
    formula: str  # of the ion, "C7H5O2+"
    error_ppm: float  # (measured - theoretical) / theoretical


def subformulas_of_peaks(
    spectrum: Spectrum, formula: str, adduct: str, tolerance_ppm: float, without: Collection[int] = ()
) -> list[SubformulaOfPeak]:
    """For each peak the part of the formula, with a metal of the adduct, that fits best; peaks by index.

    Only the 100 strongest peaks that are not among `without`, and none for a formula with very many parts.
    Raises ValueError for a formula or an adduct that cannot be read.
    """
    counts = parse_formula(formula)
    for metal in carrier_metals(adduct):
        counts[metal] = counts.get(metal, 0) + 1
    sign, n_hydrogens = ion_sign(adduct), counts.pop("H", 0)
    if np.prod([number + 1.0 for number in counts.values()]) > _MAX_PARTS:
        return []
    # One row for each combination of heavy atoms: (parts, elements).
    grid = np.indices([number + 1 for number in counts.values()]).reshape(len(counts), -1).T
    heavy = grid @ np.array([formula_mass({symbol: 1}) for symbol in counts])
    free = grid @ np.array([_FREE_BONDS.get(symbol, -1) for symbol in counts])
    most = np.minimum(free + 3, n_hydrogens + _MAX_EXTRA_HYDROGENS)
    usable = np.flatnonzero(np.isfinite(spectrum.mz) & (spectrum.intensity > 0))
    waiting = usable[~np.isin(usable, list(without))]
    strongest = waiting[np.argsort(-spectrum.intensity[waiting], kind="stable")[:_MAX_PEAKS]]
    found = []
    for index in np.sort(strongest):
        mz = float(spectrum.mz[index])
        neutral = mz + sign * ELECTRON_MASS
        hydrogens = np.rint((neutral - heavy) / HYDROGEN_MASS)
        error = np.abs(heavy + hydrogens * HYDROGEN_MASS - neutral)
        fits = (error <= mz * tolerance_ppm * 1e-6) & (hydrogens >= 0) & (hydrogens <= most) & (heavy > 0)
        parts = np.flatnonzero(fits)
        if not len(parts):
            continue
        best = int(parts[np.argmin(error[parts])])
        theoretical = float(heavy[best] + hydrogens[best] * HYDROGEN_MASS - sign * ELECTRON_MASS)
        atoms = {symbol: int(count) for symbol, count in zip(counts, grid[best], strict=True)}
        text = format_formula(atoms | {"H": int(hydrogens[best])}) + ("+" if sign > 0 else "-")
        found.append(SubformulaOfPeak(int(index), text, (mz - theoretical) / theoretical * 1e6))
    return found


@lru_cache(maxsize=4_000)
def subformula_masses(formula: str) -> NDArray[np.float64]:
    """Neutral masses in Da, ascending; empty for a very large formula. ValueError if it cannot be read."""
    counts = parse_formula(formula)
    n_hydrogens = counts.pop("H", 0)
    mass, bonds = np.zeros(1), np.zeros(1)
    for symbol, number in counts.items():
        steps = np.arange(number + 1)
        mass = (mass[:, None] + steps * formula_mass({symbol: 1})).ravel()
        bonds = (bonds[:, None] + steps * _FREE_BONDS.get(symbol, -1)).ravel()
        if len(mass) > _MAX_FORMULAS:
            return np.zeros(0)
    parts = [
        mass[bonds + 3 >= hydrogens] + hydrogens * HYDROGEN_MASS
        for hydrogens in range(n_hydrogens + _MAX_EXTRA_HYDROGENS + 1)
    ]
    return np.sort(np.concatenate(parts))
