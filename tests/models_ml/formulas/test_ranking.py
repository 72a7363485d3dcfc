"""Ranked formulas of spectra whose answer is known, and what happens at the limits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models_ml.formulas.elements import counts_row
from models_ml.formulas.enumeration import MAX_MASS_DA
from models_ml.formulas.isotopes import theoretical_patterns
from models_ml.formulas.model import (
    PARAMETERS_FILE,
    BrokenFormulaParameters,
    Calibration,
    FormulaModel,
    load_formula_model,
)
from models_ml.formulas.ranking import MAX_CLOSELY_READ, N_SHOWN, rank_formulas
from models_ml.molecules.computed_spectrum import fragment_spectrum
from models_ml.molecules.formula import parse_formula
from models_ml.spectra import adducts
from tests.models_ml.formulas.test_isotopes import Pattern

CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
NO_PEAKS = np.zeros(0)


@pytest.mark.parametrize(
    ("smiles", "formula", "adduct"),
    [
        (CAFFEINE, "C8H10N4O2", "[M+H]+"),
        ("OC(=O)c1ccccc1O", "C7H6O3", "[M-H]-"),
        ("CC(=O)Nc1ccc(O)cc1", "C8H9NO2", "[M+Na]+"),
        ("C[N+](C)(C)CCO", "C5H14NO", "[M]+"),
    ],
)
def test_the_right_formula_is_first(smiles: str, formula: str, adduct: str) -> None:
    spectrum = fragment_spectrum(smiles, adduct)
    assert spectrum.precursor_mz is not None
    ranking = rank_formulas(spectrum.mz, spectrum.intensity, spectrum.precursor_mz, adduct)
    first = ranking.candidates[0]
    assert (first.rank, first.formula) == (1, formula)
    assert first.mass_error_ppm == pytest.approx(0, abs=0.5)
    # The fragmenter also makes ions with more hydrogens than the precursor has. These have no explanation.
    assert 0.8 * ranking.n_peaks < first.n_explained_peaks <= ranking.n_peaks
    assert 0.85 < first.explained_intensity <= 1
    assert first.isotope_similarity is None
    assert ranking.limit == ""


def test_probabilities_and_order() -> None:
    ranking = rank_formulas(NO_PEAKS, NO_PEAKS, 300.1230, "[M+H]+")
    probabilities = [candidate.probability for candidate in ranking.candidates]
    assert [candidate.rank for candidate in ranking.candidates] == list(range(1, N_SHOWN + 1))
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) + ranking.probability_other <= 1 + 1e-9
    assert ranking.n_formulas > N_SHOWN


def test_the_order_of_the_peaks_does_not_matter() -> None:
    spectrum = fragment_spectrum(CAFFEINE, "[M+H]+")
    assert spectrum.precursor_mz is not None
    forward = rank_formulas(spectrum.mz, spectrum.intensity, spectrum.precursor_mz, "[M+H]+")
    backward = rank_formulas(spectrum.mz[::-1], spectrum.intensity[::-1], spectrum.precursor_mz, "[M+H]+")
    assert forward == backward


def test_an_isotope_pattern_counts() -> None:
    """Without peaks, a pattern with two chlorines moves the formula with two chlorines forward."""
    row = counts_row(parse_formula("C12H10Cl2N2O"))
    assert row is not None
    mz = adducts.precursor_mz(268.0170, "[M+H]+")
    shares = theoretical_patterns(row[None])[0]
    pattern = Pattern(np.array([mz + 1.00335 * shift for shift in range(4)]), shares)
    ranking = rank_formulas(NO_PEAKS, NO_PEAKS, mz, "[M+H]+", survey=pattern)
    assert all(candidate.isotope_similarity is not None for candidate in ranking.candidates)
    assert "Cl2" in ranking.candidates[0].formula


def test_peaks_above_the_precursor_are_not_read() -> None:
    ranking = rank_formulas(np.array([400.1]), np.array([1.0]), 195.0877, "[M+H]+")
    assert ranking.n_peaks == 0
    assert ranking.candidates


def test_a_heavy_molecule_is_refused_with_a_reason() -> None:
    ranking = rank_formulas(NO_PEAKS, NO_PEAKS, MAX_MASS_DA + 10, "[M+H]+")
    assert ranking.candidates == ()
    assert ranking.probability_other == 1
    assert "1200 Da" in ranking.limit


def test_many_formulas_are_cut_and_it_says_so() -> None:
    ranking = rank_formulas(NO_PEAKS, NO_PEAKS, 900.45, "[M+H]+")
    assert ranking.n_formulas > MAX_CLOSELY_READ
    assert f"{MAX_CLOSELY_READ:,}" in ranking.limit


def test_a_precursor_below_its_adduct() -> None:
    ranking = rank_formulas(NO_PEAKS, NO_PEAKS, 20.0, "[M+Na]+")
    assert ranking.candidates == ()
    assert "Correct the precursor" in ranking.limit


def test_an_unknown_adduct_is_an_error() -> None:
    with pytest.raises(ValueError, match="not understood"):
        rank_formulas(NO_PEAKS, NO_PEAKS, 200.0, "[M+Xyz]+")


@pytest.mark.parametrize(
    "adduct", ["[2M+H]+", "[M+2H]2+", "[M+NH4]+", "[M+HCOO]-", "[M-H2O+H]+", "[M+K]+", "[M+Cl]-"]
)
def test_other_adducts(adduct: str) -> None:
    mz = adducts.precursor_mz(194.0804, adduct)
    ranking = rank_formulas(np.array([138.066]), np.array([1.0]), mz, adduct)
    assert "C8H10N4O2" in [candidate.formula for candidate in ranking.candidates]


def test_the_calibration_leaves_room_for_other_formulas() -> None:
    probabilities = Calibration(temperature=1.0, other=0.0).probabilities(np.array([0.0, 0.0]))
    assert probabilities == pytest.approx([1 / 3, 1 / 3])


def test_parameters_come_back_from_json() -> None:
    stored = load_formula_model().to_json()
    again = FormulaModel.from_json(json.loads(json.dumps(stored))).to_json()
    assert again == stored
    assert stored == json.loads(PARAMETERS_FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"plausibility": {"rare_elements": ["X"]}}'])
def test_broken_parameters(tmp_path: Path, content: str) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(content)
    with pytest.raises(BrokenFormulaParameters, match="training formulas"):
        load_formula_model(file)


def test_needs_no_torch() -> None:
    code = "import sys; import models_ml.formulas.ranking; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
