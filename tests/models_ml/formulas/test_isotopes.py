"""Isotope patterns: against IsoSpec, and what a measured pattern tells."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from models_ml.formulas.elements import counts_row
from models_ml.formulas.isotopes import (
    N_ISOTOPES,
    measured_pattern,
    pattern_log_likelihood,
    pattern_similarity,
    simulate_pattern,
    theoretical_patterns,
)
from models_ml.molecules.formula import formula_mass, parse_formula


@dataclass(frozen=True)
class Pattern:
    isotope_mz: NDArray[np.float64] = field(default_factory=lambda: np.array([200.0, 201.0033]))
    isotope_intensity: NDArray[np.float64] = field(default_factory=lambda: np.array([100.0, 11.0]))


def patterns(*formulas: str) -> NDArray[np.float64]:
    rows = [counts_row(parse_formula(formula)) for formula in formulas]
    return theoretical_patterns(np.array([row for row in rows if row is not None]))


@pytest.mark.parametrize(
    "formula", ["C8H10N4O2", "C20H25Br2Cl2N2O5S", "C6H18O3Si3", "C60H100N10O20S4", "C15H11I4NO4"]
)
def test_agrees_with_isospec(formula: str) -> None:
    iso_spec = pytest.importorskip("IsoSpecPy", reason="IsoSpecPy is not installed here")
    envelope = iso_spec.IsoTotalProb(0.999999, formula=formula)
    monoisotopic = formula_mass(parse_formula(formula))
    shares = np.zeros(N_ISOTOPES)
    for mass, share in zip(envelope.masses, envelope.probs, strict=True):
        nominal = round(mass - monoisotopic)
        if 0 <= nominal < N_ISOTOPES:
            shares[nominal] += share
    assert patterns(formula)[0] == pytest.approx(shares / shares.sum(), abs=0.003)


def test_chloride_adds_to_the_pattern() -> None:
    glucose = counts_row(parse_formula("C6H12O6"))
    assert glucose is not None
    with_chloride = theoretical_patterns(glucose[None], {"Cl": 1})[0]
    assert with_chloride[2] / with_chloride[0] == pytest.approx(0.33, abs=0.02)


def test_measured_pattern_of_a_doubly_charged_ion() -> None:
    shares = measured_pattern(Pattern(isotope_mz=np.array([200.0, 200.5017])), charge=2)
    assert shares is not None
    assert shares[:2] == pytest.approx([100 / 111, 11 / 111])


@pytest.mark.parametrize(
    "pattern",
    [
        Pattern(np.zeros(0), np.zeros(0)),
        Pattern(np.array([200.0]), np.array([100.0])),
        Pattern(np.array([200.0, 200.4]), np.array([100.0, 20.0])),  # no isotope spacing
        Pattern(np.array([200.0, 201.0033]), np.array([0.0, 20.0])),
        Pattern(np.array([200.0, 201.0033]), np.array([100.0, np.nan])),
    ],
)
def test_no_pattern(pattern: Pattern) -> None:
    assert measured_pattern(pattern, charge=1) is None


def test_the_right_formula_fits_a_simulated_pattern_best() -> None:
    theoretical = patterns("C12H10Cl2N2O", "C14H12N2O4", "C10H12N2O5S")
    for seed in range(20):
        measured = simulate_pattern(theoretical[0], np.random.default_rng(seed))
        assert measured.sum() == pytest.approx(1)
        assert pattern_log_likelihood(measured, theoretical).argmax() == 0
        assert pattern_similarity(measured, theoretical)[0] > 0.85
