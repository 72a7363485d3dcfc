"""Which part of each candidate's ion explains each peak.

A peak is looked up by the lighter of its fragment and its loss. Both must be parts of the ion, and the
fragment must obey the rules of valence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_ml.formulas.elements import ONE_METAL, Bits, Floats, is_part, pack, unpack
from models_ml.formulas.ions import IonFormulas
from models_ml.formulas.small_formulas import MAX_SMALL_DA, SmallFormulas
from models_ml.formulas.vocabulary import Vocabulary
from models_ml.molecules.formula import ELECTRON_MASS, formula_mass

MAX_PEAKS = 32  # strongest peaks, as in the channel fragment_coverage
FRAGMENT_TOLERANCE_PPM, FRAGMENT_TOLERANCE_DA = 10.0, 0.002  # the larger one; as in fragment_coverage
_ERROR_SPREAD = 0.4  # standard deviation of the errors of true explanations, in tolerances
_MIN_DOUBLE_DBE = -1  # of a fragment ion: a saturated molecule with a proton


@dataclass(frozen=True, slots=True, eq=False)
class PeakEvidence:
    """The best explanation of P peaks by n candidates; each (P, n) unless stated.

    Peaks whose fragment and loss are both heavier than MAX_SMALL_DA, or that lie above the precursor, are not
    among the P.
    """

    index: NDArray[np.int64]  # (P,) of the peaks among those that were given
    explained: NDArray[np.bool_]
    fragment: Bits  # 0 where not explained
    loss: Bits
    error: Floats  # (measured - theoretical) / tolerance
    tolerance_ppm: Floats  # (P,)
    n_ways: NDArray[np.int64]  # number of explanations


def fragment_tolerance(mz: Floats) -> Floats:
    """Half width in Da."""
    return np.maximum(mz * FRAGMENT_TOLERANCE_PPM * 1e-6, FRAGMENT_TOLERANCE_DA)


def explain(mz: Floats, ions: IonFormulas, small: SmallFormulas, vocabulary: Vocabulary) -> PeakEvidence:
    """Explanations of peaks (N,) by n >= 1 ions. Of several, the most usual with the smallest error."""
    tolerances = fragment_tolerance(mz)
    limits = _largest(ions.bits)
    light, heavy = float(ions.mass.min()), float(ions.mass.max())
    rows = []
    for index, (mass, tolerance) in enumerate(
        zip((mz + ions.sign * ELECTRON_MASS).tolist(), tolerances.tolist(), strict=True)
    ):
        if mass > heavy + tolerance:
            continue
        if mass <= min(light - mass, MAX_SMALL_DA):
            rows.append((index, *_explain_by_fragment(mass, tolerance, ions, limits, small, vocabulary)))
        elif light - mass <= MAX_SMALL_DA - 1:
            rows.append((index, *_explain_by_loss(mass, tolerance, ions, limits, small, vocabulary)))
        elif mass <= MAX_SMALL_DA:
            rows.append((index, *_explain_by_fragment(mass, tolerance, ions, limits, small, vocabulary)))
    n = len(ions)
    if not rows:
        none = np.zeros((0, n))
        bits = none.astype(np.uint64)
        ways = none.astype(np.int64)
        return PeakEvidence(np.zeros(0, np.int64), none > 0, bits, bits, none, np.zeros(0), ways)
    indices, fragments, errors, n_ways = zip(*rows, strict=True)
    fragment = np.stack(fragments)
    explained = np.stack(n_ways) > 0
    return PeakEvidence(
        index=np.array(indices),
        explained=explained,
        fragment=fragment,
        loss=np.where(explained, ions.bits - fragment, np.uint64(0)),
        error=np.stack(errors),
        tolerance_ppm=(tolerances / mz * 1e6)[np.array(indices)],
        n_ways=np.stack(n_ways),
    )


_Explanation = tuple[Bits, Floats, NDArray[np.int64]]  # fragment, error, n_ways; (n,) each


def _explain_by_fragment(
    mass: float,
    tolerance: float,
    ions: IonFormulas,
    limits: Bits,
    small: SmallFormulas,
    vocabulary: Vocabulary,
) -> _Explanation:
    """`mass`: of the atoms of the fragment ion, in Da."""
    found = small.within(mass - tolerance, mass + tolerance)
    bits, masses, bonds = small.bits[found], small.mass[found], small.bonds[found]
    if ions.metal:
        metal_mass = formula_mass({ions.metal: 1})
        found = small.within(mass - metal_mass - tolerance, mass - metal_mass + tolerance)
        bits = np.concatenate([bits, small.bits[found] + ONE_METAL])
        masses = np.concatenate([masses, small.mass[found] + metal_mass])
        bonds = np.concatenate([bonds, small.bonds[found] - 1])
    kept = is_part(bits, limits) & (bonds + 2 >= _MIN_DOUBLE_DBE) & (bits != 0)
    bits, masses = bits[kept], masses[kept]
    possible = is_part(bits[:, None], ions.bits[None, :])
    error = (mass - masses) / tolerance
    usual = vocabulary.fragments.log_odds(bits) - 0.5 * (error / _ERROR_SPREAD) ** 2
    best, n_ways = _best(np.where(possible, usual[:, None], -np.inf), possible)
    if not len(bits):
        return np.zeros(len(ions), np.uint64), np.zeros(len(ions)), n_ways
    explained = n_ways > 0
    return np.where(explained, bits[best], np.uint64(0)), np.where(explained, error[best], 0.0), n_ways


def _explain_by_loss(
    mass: float,
    tolerance: float,
    ions: IonFormulas,
    limits: Bits,
    small: SmallFormulas,
    vocabulary: Vocabulary,
) -> _Explanation:
    low, high = float(ions.mass.min()) - mass - tolerance, float(ions.mass.max()) - mass + tolerance
    found = small.within(low, high)
    bits, masses, bonds = small.bits[found], small.mass[found], small.bonds[found]
    if ions.metal:
        metal_mass = formula_mass({ions.metal: 1})
        found = small.within(low - metal_mass, high - metal_mass)
        bits = np.concatenate([bits, small.bits[found] + ONE_METAL])
        masses = np.concatenate([masses, small.mass[found] + metal_mass])
        bonds = np.concatenate([bonds, small.bonds[found] - 1])
    kept = is_part(bits, limits)
    bits, masses, bonds = bits[kept], masses[kept], bonds[kept]
    error = ((mass + masses)[:, None] - ions.mass[None, :]) / tolerance
    possible = is_part(bits[:, None], ions.bits[None, :]) & (np.abs(error) <= 1)
    possible &= ions.bonds[None, :] - bonds[:, None] + 2 >= _MIN_DOUBLE_DBE
    usual = vocabulary.losses.log_odds(bits)[:, None] - 0.5 * (error / _ERROR_SPREAD) ** 2
    best, n_ways = _best(np.where(possible, usual, -np.inf), possible)
    if not len(bits):
        return np.zeros(len(ions), np.uint64), np.zeros(len(ions)), n_ways
    explained = n_ways > 0
    columns = np.arange(len(ions))
    return (
        np.where(explained, ions.bits - bits[best], np.uint64(0)),
        np.where(explained, error[best, columns], 0.0),
        n_ways,
    )


def _best(preference: Floats, possible: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row of the largest value in each column, and the number of possible rows; (n,) each."""
    if not len(preference):
        none = np.zeros(preference.shape[1], np.int64)
        return none, none
    return preference.argmax(0), possible.sum(0)


def _largest(bits: Bits) -> Bits:
    """Each field's largest value over all ions, as one integer of shape (1,)."""
    counts = unpack(bits).max(0, keepdims=True)
    metals = np.uint64((bits // ONE_METAL).max())
    largest: Bits = pack(counts) + metals * ONE_METAL
    return largest
