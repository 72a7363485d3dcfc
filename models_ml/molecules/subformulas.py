"""Masses of all parts of a molecular formula that valences allow, whatever the bonds of the structure."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.formula import formula_mass, parse_formula
from models_ml.molecules.fragment_ions import HYDROGEN_MASS

_MAX_FORMULAS = 200_000  # combinations of heavy atoms. A formula with more has a part at nearly every mass.
# Free bonds that an atom adds to a part; other elements use one. Free bonds limit the hydrogens of a part.
_FREE_BONDS = {"C": 2, "Si": 2, "N": 1, "P": 1, "B": 1, "O": 0, "S": 0, "Se": 0}
_MAX_EXTRA_HYDROGENS = 2


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
