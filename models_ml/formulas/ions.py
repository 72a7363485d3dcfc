"""The ions that candidate formulas form as an adduct."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import (
    BONDS,
    ELEMENTS,
    MASSES,
    MAX_COUNTS,
    METALS,
    ONE_METAL,
    Bits,
    Counts,
    Floats,
    pack,
)
from models_ml.molecules.formula import formula_mass
from models_ml.spectra import adducts

_MAX_METALS = 3


@dataclass(frozen=True, slots=True, eq=False)
class IonFormulas:
    """One ion for each of n candidates: packed counts, mass of the atoms in Da, counts @ BONDS; (n,) each."""

    bits: Bits
    mass: Floats
    bonds: NDArray[np.int64]
    sign: int  # of the charge
    metal: str  # the one metal that a fragment can keep, or ""

    def __len__(self) -> int:
        return len(self.bits)


def form_ions(counts: Counts, adduct: str) -> tuple[IonFormulas, NDArray[np.bool_]]:
    """Ions of the candidates (n, E) that can form the adduct, and which of the n these are; (n,).

    A candidate cannot lose atoms that it lacks. Elements of the adduct beyond ELEMENTS and METALS have a mass
    and are part of no fragment. Raises ValueError for an unknown adduct.
    """
    ion = adducts.parse(adduct)
    ion_counts = counts.astype(np.int64) * ion.multimer
    other_mass, n_metals, metal = 0.0, 0, ""
    for symbol, number in ion.composition:
        if symbol in ELEMENTS:
            ion_counts[:, ELEMENTS.index(symbol)] += number
        elif symbol in METALS and number > 0 and metal in ("", symbol):
            metal, n_metals = symbol, number
            other_mass += number * formula_mass({symbol: 1})
        elif symbol.isalpha() and symbol != "D":
            other_mass += number * formula_mass({symbol: 1})
    possible: NDArray[np.bool_] = np.all(ion_counts >= 0, axis=1)
    ion_counts = ion_counts[possible]
    bits = pack(np.minimum(ion_counts, MAX_COUNTS)) + ONE_METAL * np.uint64(min(n_metals, _MAX_METALS))
    return (
        IonFormulas(
            bits=bits,
            mass=ion_counts @ MASSES + other_mass,
            bonds=ion_counts @ BONDS - n_metals,
            sign=1 if ion.charge > 0 else -1,
            metal=metal,
        ),
        possible,
    )
