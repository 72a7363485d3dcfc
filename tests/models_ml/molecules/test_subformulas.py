"""Parts of a formula with the mass of a peak: the right ion, within the tolerance and the limits."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from models_ml.molecules.formula import ELECTRON_MASS, formula_mass, parse_formula
from models_ml.molecules.subformulas import subformulas_of_peaks
from models_ml.spectra.spectrum import Spectrum

ASPIRIN = "C9H8O4"


def ion_mz(formula: str, sign: int = 1) -> float:
    return formula_mass(parse_formula(formula)) - sign * ELECTRON_MASS


def spectrum(*mz: float, intensity: Sequence[float] = ()) -> Spectrum:
    return Spectrum(mz=np.array(mz), intensity=np.array(intensity or [1.0] * len(mz)), precursor_mz=181.05)


@pytest.mark.parametrize(
    ("formula", "adduct", "sign"),
    [("C7H5O2", "[M+H]+", 1), ("C7H5O2", "[M-H]-", -1), ("C7H6O2Na", "[M+Na]+", 1), ("C9H9O4", "[M+H]+", 1)],
)
def test_a_part_of_the_formula_is_found_as_an_ion(formula: str, adduct: str, sign: int) -> None:
    mz = ion_mz(formula, sign)
    (found,) = subformulas_of_peaks(spectrum(mz * (1 + 3e-6)), ASPIRIN, adduct, 10)
    assert parse_formula(found.formula) == parse_formula(formula)
    assert found.formula[-1] == ("+" if sign > 0 else "-")
    assert found.error_ppm == pytest.approx(3, abs=0.01)


def test_what_is_no_part_of_the_formula_is_not_found() -> None:
    strange = (ion_mz("C7H5ClO"), ion_mz("C10H8O"), ion_mz("C2H9O4"), ion_mz("C7H6O2Na"), 77.7)
    assert subformulas_of_peaks(spectrum(*sorted(strange)), ASPIRIN, "[M+H]+", 5) == []


def test_peaks_that_a_fragment_explains_are_left_out() -> None:
    both = spectrum(ion_mz("C5H5"), ion_mz("C7H5O2"))
    assert [part.peak_index for part in subformulas_of_peaks(both, ASPIRIN, "[M+H]+", 5, without={0})] == [1]


def test_the_search_is_bounded_and_prefers_strong_peaks() -> None:
    mz = np.linspace(60, 800, 3_000)
    many = Spectrum(mz=mz, intensity=np.arange(1.0, 3_001), precursor_mz=801.0)
    started = time.perf_counter()
    found = subformulas_of_peaks(many, "C36H48N6O10S2", "[M+H]+", 10)
    assert time.perf_counter() - started < 5
    assert all(part.peak_index >= 2_900 for part in found)
    assert subformulas_of_peaks(many, "C99H99N30O40S9P9F20Cl9", "[M+H]+", 10) == []
