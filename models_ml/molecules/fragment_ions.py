"""Rules of fragment ions: which hydrogens and charges a fragment can carry, and the m/z of its ions.

Explanations of peaks, computed spectra and both networks that read fragments use these rules. Where two
readers need different rules, both stand here under different names: shipped weights were trained with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models_ml.molecules.formula import ELECTRON_MASS, formula_mass
from models_ml.spectra import adducts

HYDROGEN_MASS = formula_mass({"H": 1})
# Hydrogen shift: how many hydrogens an ion has beyond those drawn on its atoms. Both arrays hold the same
# values. `rank_ions` breaks ties between equal efforts by the first order. The second order is that of the
# columns in the fragment tables that the intensity network reads.
SHIFTS_SMALLEST_FIRST = np.array([0, 1, -1, 2, -2, 3, -3])
SHIFTS_ASCENDING = np.sort(SHIFTS_SMALLEST_FIRST)
# Metals of adducts that can stay on a fragment. Ammonium and halides leave before the molecule breaks.
CARRIER_METALS = ("Na", "K", "Li")
_MAX_BROKEN_FOR_SHIFTS = 2


def ion_sign(adduct: str) -> int:
    """1 for a cation, -1 for an anion. Raises ValueError for an unknown adduct."""
    return 1 if adducts.parse(adduct).charge > 0 else -1


def carrier_metals(adduct: str) -> tuple[str, ...]:
    """Metals that a fragment of this ion can carry, in the order of CARRIER_METALS."""
    gained = {symbol for symbol, count in adducts.parse(adduct).composition if count > 0}
    return tuple(metal for metal in CARRIER_METALS if metal in gained)


def table_metal(adduct: str) -> str:
    """The one metal for which a fragment table has columns, or "".

    Differs from `carrier_metals` for ions with two metals, such as [M-H+Na+K]+: the table has columns for one
    metal only, and takes the first by symbol.
    """
    return min(carrier_metals(adduct), default="")


def fixed_charges(mol: Chem.Mol, atoms: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sum of the formal charges drawn on the atoms of each fragment (F, A); (F,)."""
    charges = np.array([atom.GetFormalCharge() for atom in mol.GetAtoms()], dtype=np.int64)
    return atoms.astype(np.int64) @ charges


def neutral_masses(counts: NDArray[np.int64], elements: Sequence[str]) -> NDArray[np.float64]:
    """Monoisotopic mass in Da of each fragment as drawn, from element counts (F, E); (F,)."""
    masses: NDArray[np.float64] = counts @ np.array([formula_mass({symbol: 1}) for symbol in elements])
    return masses


def possible_shifts(
    n_broken: NDArray[np.int64],
    n_hydrogens: NDArray[np.int64],
    n_other_charges: NDArray[np.int64],
    shifts: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which hydrogen shifts (S,) the ions of F fragments can have; (F, S).

    A broken bond moves at most one hydrogen, for at most two bonds, and the charge of the ion adds one more.
    `n_other_charges` counts the charges that need no hydrogen: a metal, or a charge that the atoms carry.
    """
    most = np.minimum(n_broken, _MAX_BROKEN_FOR_SHIFTS) + 1 - np.minimum(n_other_charges, 1)
    possible: NDArray[np.bool_] = (np.abs(shifts) <= most[:, None]) & (n_hydrogens[:, None] + shifts >= 0)
    return possible


def ion_mz(
    neutral_mass: NDArray[np.float64], shift: NDArray[np.int64], sign: int, metal: str = ""
) -> NDArray[np.float64]:
    """m/z of singly charged ions: neutral fragments with `shift` hydrogens more, and the metal if any."""
    mz: NDArray[np.float64] = neutral_mass + shift * HYDROGEN_MASS - sign * ELECTRON_MASS
    return mz + formula_mass({metal: 1}) if metal else mz


def has_double_bond_to_oxygen_or_sulfur(atom: Chem.Atom) -> bool:
    """Carbonyl and thiocarbonyl carbons, S=O and P=O. The efforts of `cleavage` use this rule."""
    return any(
        bond.GetBondTypeAsDouble() == 2 and bond.GetOtherAtom(atom).GetAtomicNum() in (8, 16)
        for bond in atom.GetBonds()
    )


def has_multiple_bond_to_hetero_atom(atom: Chem.Atom) -> bool:
    """As above, and also bonds to nitrogen and triple bonds: imines and nitriles count.

    The kinds of atoms in fragment tables use this rule. The intensity network was trained with it.
    """
    return any(
        bond.GetBondTypeAsDouble() >= 2 and bond.GetOtherAtom(atom).GetSymbol() in {"O", "S", "N"}
        for bond in atom.GetBonds()
    )
