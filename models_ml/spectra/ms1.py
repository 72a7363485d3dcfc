"""Reads isotope pattern, purity and adduct evidence of a precursor from the peaks of an MS1 scan.

It never changes the precursor: a selected M+1 peak is reported, not corrected.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models_ml.spectra import adducts
from models_ml.spectra.spectrum import FloatArray, IonMode
from models_ml.spectra.survey import AdductEvidence, Survey

Peaks = tuple[FloatArray, FloatArray]

ISOTOPE_SPACING_DA = 1.00335  # 13C - 12C
# The lightest steps to M+1 (15N - 14N) and to M+2 (34S - 32S), and half of the latter for those after it.
_LIGHTEST_FIRST_DA, _LIGHTEST_STEP_DA = 0.99703, 0.99790
_MAX_ISOTOPES = 6  # with the monoisotopic peak
_MAX_CHARGE = 4
# Distance between the stated precursor and its MS1 peak. Quadrupole time-of-flight runs differ by up to
# 10 ppm between their scans; below m/z 300 the last digits of rounded precursors matter more.
_PRECURSOR_PPM, _PRECURSOR_FLOOR_MZ = 10.0, 0.003
# Peaks of one scan share their calibration error, so they are compared more closely.
_SAME_SCAN_PPM, _SAME_SCAN_FLOOR_MZ = 5.0, 0.0012
_PARTNER_FLOOR_MZ = 0.0005
_MIN_PARTNER_INTENSITY = 0.01  # of the precursor
# M+1 / M. The largest is that of a molecule of carbon only, with 20 % and 0.1 for errors of weak peaks. The
# usual is 0.05 for each 100 Da; a tenth of that is the smallest.
_CARBON_RATIO_PER_DA = 0.0108 / 12.0 * 1.2
_RATIO_MARGIN = 0.1
_USUAL_RATIO_PER_DA = 0.0005
_SMALLEST_SHARE = 0.1
_MAX_LATER_RATIO = 3.0  # M+2 of a molecule with three bromine atoms is 2.9 times M
_MAX_GROWTH = 1.2
_MIN_RATIO_AFTER_GAP = 0.1  # M+2 without M+1: a small molecule with Cl or Br
_SURE_ISOTOPE_SHARE = 0.3  # of the usual ratio: below this a selected M+1 would be an unusual molecule

_ADDUCTS: dict[str, tuple[str, ...]] = {
    "positive": (
        "[M+H]+", "[M+Na]+", "[M+NH4]+", "[M+K]+", "[M-H2O+H]+", "[2M+H]+", "[2M+Na]+", "[M+2H]2+",
    ),
    "negative": (
        "[M-H]-", "[M+Cl]-", "[M+HCOO]-", "[M+CH3COO]-", "[M-H2O-H]-", "[2M-H]-", "[M-2H]2-",
    ),
}  # fmt: skip
# Pairs whose difference in mass is rare between different molecules: exchanges of cations or anions, and dimers.
# Water, ammonia and acids do not count: molecules also lose them, and the partner is then another ion.
_SPECIFIC = (
    frozenset({"[M+H]+", "[M+Na]+", "[M+K]+", "[2M+H]+", "[2M+Na]+"}),
    frozenset({"[M+NH4]+", "[M+Na]+", "[M+K]+"}),
    frozenset({"[M-H]-", "[M+Cl]-", "[2M-H]-"}),
    frozenset({"[M+HCOO]-", "[M+Cl]-"}),
    frozenset({"[M+CH3COO]-", "[M+Cl]-"}),
)
# Shifts of the expected m/z at which matches are counted that are due to chance.
_CHANCE_SHIFTS_MZ = np.array([-0.06, -0.04, -0.02, 0.02, 0.04, 0.06])


class _Pattern(NamedTuple):
    mz: list[float]
    intensity: list[float]
    indices: list[int]  # of the peaks in the scan


def survey_precursor(
    peaks: Peaks,
    precursor_mz: float,
    *,
    charge: int | None = None,
    ion_mode: IonMode | None = None,
    window: tuple[float, float] | None = None,
    position: str = "",
    partner_shift_mz: float = 0.0,
) -> Survey:
    """What the MS1 peaks, in ascending m/z, show about a precursor.

    `charge` and `window` (lowest and highest isolated m/z) are what the file states, or None. The charge then
    follows from the spacing of the isotopes. `partner_shift_mz` moves the expected m/z of all partners: a
    control that looks where no adduct can be.
    """
    selected = _strongest(peaks, precursor_mz, _PRECURSOR_PPM, _PRECURSOR_FLOOR_MZ)
    if selected < 0:
        return Survey(
            np.zeros(0), np.zeros(0), abs(charge) if charge else None,
            purity=_purity(peaks, window, []), position=position,
        )  # fmt: skip
    size = abs(charge) if charge else _charge_of(peaks, selected)
    monoisotopic, selected_isotope = _step_down(peaks, selected, size)
    pattern = _pattern(peaks, monoisotopic, size or 1)
    evidence: tuple[AdductEvidence, ...] = ()
    chance = 0.0
    if selected_isotope == 0 and ion_mode is not None:
        evidence, chance = _find_partners(peaks, selected, ion_mode, size or 1, partner_shift_mz)
    return Survey(
        isotope_mz=np.array(pattern.mz),
        isotope_intensity=np.array(pattern.intensity),
        charge=size,
        selected_isotope=selected_isotope,
        purity=_purity(peaks, window, pattern.indices),
        adduct_evidence=evidence,
        chance_partners=chance,
        position=position,
    )


def _tolerance(mz: float, ppm: float, floor: float) -> float:
    return max(mz * ppm * 1e-6, floor)


def _strongest(peaks: Peaks, target: float, ppm: float, floor: float) -> int:
    """Index of the strongest peak near the target, or -1."""
    tolerance = _tolerance(target, ppm, floor)
    start, end = np.searchsorted(peaks[0], (target - tolerance, target + tolerance))
    return int(start + np.argmax(peaks[1][start:end])) if end > start else -1


def _largest_ratio(mass_da: float) -> float:
    return _CARBON_RATIO_PER_DA * mass_da + _RATIO_MARGIN


def _charge_of(peaks: Peaks, selected: int) -> int | None:
    """The number of charges with isotope peaks at its spacing, or None.

    Charges above 1 need M+1 and M+2, because a single peak at a fraction of 1 Da is often another ion.
    """
    for charge in range(_MAX_CHARGE, 0, -1):
        found = len(_pattern(peaks, selected, charge).indices)
        if found > 2 or (charge == 1 and found > 1):
            return charge
    return None


def _pattern(peaks: Peaks, first: int, charge: int) -> _Pattern:
    """The isotope peaks above a peak. Peaks from the lightest to the 13C step of an isotope add up."""
    mz, intensity = peaks
    start_mz, height = float(mz[first]), float(intensity[first])
    pattern = _Pattern([start_mz], [height], [first])
    tolerance = _tolerance(start_mz, _SAME_SCAN_PPM, _SAME_SCAN_FLOOR_MZ)
    steps = np.arange(1, _MAX_ISOTOPES)
    lightest = np.where(steps == 1, _LIGHTEST_FIRST_DA, steps * _LIGHTEST_STEP_DA)
    starts = np.searchsorted(mz, start_mz + lightest / charge - tolerance)
    ends = np.searchsorted(mz, start_mz + steps * (ISOTOPE_SPACING_DA / charge) + tolerance)
    for step, start, end in zip(steps.tolist(), starts.tolist(), ends.tolist(), strict=True):
        total = float(intensity[start:end].sum())
        if not _is_isotope(step, total / height, start_mz * charge, pattern):
            if step > 1 or pattern.intensity[-1] == 0:
                break
            pattern.mz.append(start_mz + ISOTOPE_SPACING_DA / charge)
            pattern.intensity.append(0.0)
            continue
        pattern.mz.append(float((mz[start:end] * intensity[start:end]).sum() / total))
        pattern.intensity.append(total)
        pattern.indices.extend(range(start, end))
    if pattern.intensity[-1] == 0:
        pattern.mz.pop()
        pattern.intensity.pop()
    return pattern


def _is_isotope(step: int, ratio: float, mass_da: float, pattern: _Pattern) -> bool:
    """Whether a peak with this intensity, relative to M, can be the isotope peak M+step."""
    if step == 1:
        return _USUAL_RATIO_PER_DA * mass_da * _SMALLEST_SHARE <= ratio <= _largest_ratio(mass_da)
    if step == 2:
        smallest = _MIN_RATIO_AFTER_GAP if pattern.intensity[1] == 0 else 0.0
        return smallest < ratio <= _MAX_LATER_RATIO
    # Each pair of isotope peaks falls like the pair before it: (M+3) / (M+1) is about (M+2) / M.
    monoisotopic, second, earlier = pattern.intensity[0], pattern.intensity[2], pattern.intensity[step - 2]
    highest = earlier * (_RATIO_MARGIN + _MAX_GROWTH * second / monoisotopic)
    if earlier == 0:
        highest = pattern.intensity[-1] * _largest_ratio(mass_da)
    return 0 < ratio * monoisotopic <= highest


def _step_down(peaks: Peaks, selected: int, charge: int | None) -> tuple[int, int]:
    """The monoisotopic peak of a selected peak, and the number of isotope steps between them."""
    mz, intensity = peaks
    index, steps = selected, 0
    while steps < _MAX_ISOTOPES:
        for size in (charge,) if charge else (1, 2):
            target = float(mz[index]) - ISOTOPE_SPACING_DA / size
            below = _strongest(peaks, target, _SAME_SCAN_PPM, _SAME_SCAN_FLOOR_MZ)
            mass_da = target * size
            usual = _USUAL_RATIO_PER_DA * mass_da * _SURE_ISOTOPE_SHARE
            if below >= 0 and usual <= intensity[index] / intensity[below] <= _largest_ratio(mass_da):
                index, steps, charge = below, steps + 1, size
                break
        else:
            break
    return index, steps


def _purity(peaks: Peaks, window: tuple[float, float] | None, own: list[int]) -> float | None:
    if window is None:
        return None
    start, end = (int(border) for border in np.searchsorted(peaks[0], window))
    total = float(peaks[1][start:end].sum())
    if total <= 0:
        return None
    belonging = sum(float(peaks[1][index]) for index in set(own) if start <= index < end)
    return min(belonging / total, 1.0)


class _Pairs(NamedTuple):
    """Pairs of adducts of one molecule. The partner of an ion at m/z x has m/z `factor` · x + `offset`."""

    names: list[tuple[str, str]]
    specific: NDArray[np.bool_]
    factor: NDArray[np.float64]
    offset: NDArray[np.float64]


@lru_cache(maxsize=16)
def _pairs(ion_mode: str, charge: int) -> _Pairs:
    """The pairs whose first ion has this number of charges."""
    ions = [adducts.parse(name) for name in _ADDUCTS[ion_mode]]
    # Two dimers differ like two monomers, so a pair of them says nothing about the multimer.
    pairs = [
        (ion, other) for ion in ions for other in ions
        if ion is not other and abs(ion.charge) == charge and min(ion.multimer, other.multimer) == 1
    ]  # fmt: skip
    factor = [abs(ion.charge) * other.multimer / (ion.multimer * abs(other.charge)) for ion, other in pairs]
    offset = [
        (other.mass_shift_da - ion.mass_shift_da * other.multimer / ion.multimer) / abs(other.charge)
        for ion, other in pairs
    ]
    names = [(ion.notation, other.notation) for ion, other in pairs]
    specific = np.array([is_specific(*pair) for pair in names], dtype=bool)
    return _Pairs(names, specific, np.array(factor), np.array(offset))


def is_specific(adduct: str, partner: str) -> bool:
    """Whether the difference in mass of two adducts is rare between different molecules."""
    return any(adduct in pairs and partner in pairs for pairs in _SPECIFIC)


def _find_partners(
    peaks: Peaks, selected: int, ion_mode: IonMode, charge: int, shift_mz: float
) -> tuple[tuple[AdductEvidence, ...], float]:
    """The evidence, and the mean number of specific partners that shifted m/z find."""
    pairs = _pairs(ion_mode, charge)
    if not pairs.names:
        return (), 0.0
    expected = float(peaks[0][selected]) * pairs.factor + pairs.offset + shift_mz
    found = []
    for pair, partner in _partners(peaks, selected, expected):
        ppm = float((peaks[0][partner] - expected[pair]) / expected[pair] * 1e6)
        relative = float(peaks[1][partner] / peaks[1][selected])
        found.append(AdductEvidence(*pairs.names[pair], float(peaks[0][partner]), ppm, relative))
    shifted = (expected[pairs.specific][:, None] + _CHANCE_SHIFTS_MZ).ravel()
    chance = len(_partners(peaks, selected, shifted)) / _CHANCE_SHIFTS_MZ.size
    return tuple(found), chance


def _partners(peaks: Peaks, selected: int, expected: FloatArray) -> list[tuple[int, int]]:
    """(position in `expected`, index of the strongest peak there), if that peak is strong enough."""
    mz, intensity = peaks
    tolerance = np.maximum(expected * _SAME_SCAN_PPM * 1e-6, _PARTNER_FLOOR_MZ)
    starts = np.searchsorted(mz, expected - tolerance)
    ends = np.searchsorted(mz, expected + tolerance)
    smallest = _MIN_PARTNER_INTENSITY * intensity[selected]
    found = []
    for position in np.flatnonzero(ends > starts).tolist():
        partner = int(starts[position] + np.argmax(intensity[starts[position] : ends[position]]))
        if intensity[partner] >= smallest and expected[position] > 0:
            found.append((position, partner))
    return found
