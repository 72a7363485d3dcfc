"""The ions of a molecule's fragments, each with its effort. Lower effort means more likely.

Efforts add up the broken bonds of `cleavage` and what the ion itself costs: unpaired electrons, unusual
hydrogen shifts, a poor site for the charge. They are estimates in arbitrary units, not energies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.molecules.cleavage import Fragments
from models_ml.molecules.fragment_ions import (
    SHIFTS_SMALLEST_FIRST,
    carrier_metals,
    fixed_charges,
    ion_mz,
    ion_sign,
    neutral_masses,
    possible_shifts,
)

# Ions that need more are left out. Fragment tables have no such limit: they limit the number of fragments.
_MAX_EFFORT = 9.0
_RADICAL_EFFORT = 1.6
_PROTON_LOST_EFFORT = 1.5  # a metal ion rarely forms fragments without its metal


@dataclass(frozen=True, slots=True, eq=False)
class FragmentIons:
    """I fragment ions, lowest effort first."""

    mz: NDArray[np.float64]  # (I,)
    effort: NDArray[np.float64]  # (I,)
    fragment: NDArray[np.int64]  # (I,) row in Fragments
    shift: NDArray[np.int64]  # (I,) hydrogens beyond those drawn
    carrier: NDArray[np.int64]  # (I,) index into `carriers`
    carriers: tuple[str, ...]  # "" for no metal, then the metals of the adduct
    sign: int  # 1 for cations, -1 for anions


_Columns = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


def rank_ions(fragments: Fragments, adduct: str) -> FragmentIons:
    """Ions of all fragments, for an adduct of any charge but as singly charged ions.

    Raises ValueError for an unknown adduct.
    """
    sign = ion_sign(adduct)
    carriers = ("", *carrier_metals(adduct))
    neutral = neutral_masses(fragments.counts, fragments.elements)
    parts = [
        _ions_with(metal, fragments, neutral, sign, lost_metal=not metal and len(carriers) > 1)
        for metal in carriers
    ]
    mz, effort, fragment, shift = (np.concatenate(column) for column in zip(*parts, strict=True))
    carrier = np.repeat(np.arange(len(carriers)), [len(part[0]) for part in parts])
    order = np.argsort(effort, kind="stable")
    return FragmentIons(
        mz[order], effort[order], fragment[order], shift[order], carrier[order], carriers, sign
    )


def _ions_with(
    metal: str, fragments: Fragments, neutral: NDArray[np.float64], sign: int, *, lost_metal: bool
) -> _Columns:
    """m/z, effort, fragment and shift of the ions that carry this metal, or none."""
    shifts = SHIFTS_SMALLEST_FIRST
    other_charges = (
        np.full(len(neutral), 1 if metal else 0) + fixed_charges(fragments.mol, fragments.atoms) * sign
    )
    # An even-electron ion has gained or lost one hydrogen for each broken bond and one for its charge. A
    # metal, or a charge that the atoms carry, replaces the latter.
    even = (shifts - fragments.n_broken[:, None] - 1 + other_charges[:, None]) % 2 == 0
    effort = (
        fragments.effort[:, None]
        + np.where(even, 0.0, _RADICAL_EFFORT)
        + _shift_effort(fragments, sign)
        + _charge_effort(fragments, sign)[:, None]
        + (_PROTON_LOST_EFFORT if lost_metal else 0.0)
    )
    possible = possible_shifts(fragments.n_broken, fragments.counts[:, 1], other_charges, shifts)
    rows, columns = np.nonzero(possible & (effort <= _MAX_EFFORT))
    return ion_mz(neutral[rows], shifts[columns], sign, metal), effort[rows, columns], rows, shifts[columns]


def _shift_effort(fragments: Fragments, sign: int) -> NDArray[np.float64]:
    """(F, shifts): each hydrogen gained costs effort, each hydrogen lost costs more."""
    shifts = SHIFTS_SMALLEST_FIRST[None, :]
    effort = np.where(shifts > 0, 0.1, 0.25) * np.abs(shifts)
    # At each broken bond one hydrogen moves from one side to the other. A single atom such as the O of a
    # hydroxyl can only gain one: it leaves as water, not as bare oxygen.
    most = (sign + fragments.n_broken - 2 * fragments.n_stubs)[:, None]
    effort = effort + 1.6 * np.clip(shifts - most, 0, None)
    # The intact ion with other hydrogens is a different compound.
    whole = fragments.n_broken[:, None] == 0
    return np.where(whole, np.where(shifts == sign, 0.0, 4.0), effort)


def _charge_effort(fragments: Fragments, sign: int) -> NDArray[np.float64]:
    """(F,): cations are easiest with N, then O; anions with O or S, then N. Tiny ions are rare."""
    columns = {symbol: index for index, symbol in enumerate(fragments.elements)}

    def has(symbol: str) -> NDArray[np.bool_]:
        absent = np.zeros(len(fragments.effort), dtype=bool)
        return fragments.counts[:, columns[symbol]] > 0 if symbol in columns else absent

    best, fair = (has("N"), has("O")) if sign > 0 else (has("O") | has("S"), has("N"))
    n_atoms = fragments.atoms.sum(axis=1)
    small = np.clip(4 - n_atoms, 0, None) * 0.7
    effort: NDArray[np.float64] = np.where(best, 0.0, np.where(fair, 0.3, 0.9)) + small
    return effort
