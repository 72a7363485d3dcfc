"""Metrics, intervals, temperatures, calibration, strata and MCES on answers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.measures.calibration import (
    accuracy_at_coverage,
    area_under_curve,
    expected_calibration_error,
    reliability,
)
from models_ml.evaluate.measures.mces import MCESDistances, mces_distance
from models_ml.evaluate.measures.metrics import Resampling, per_spectrum
from models_ml.evaluate.measures.posterior import fit_temperature, log_p_truth, p_first
from models_ml.evaluate.measures.strata import (
    instrument_group,
    nearest_training_tanimoto,
    strata_figures,
    stratum_of,
)
from models_ml.evaluate.ranking import NEVER, Ranking, rank_by_score
from models_ml.molecules.fingerprint import fingerprint_matrix
from models_ml.molecules.standardise import standardise
from tests.models_ml.test_evaluate import make_cases
from tests.tiny_checkpoint import MOLECULES


def ranking(rank: float, n: int = 10) -> Ranking:
    return Ranking(rank=rank, n_candidates=n, truth_score=float("nan") if rank == NEVER else 0.0)


def drawn_rankings(n: int, *, temperature: float, seed: int = 0) -> list[Ranking]:
    """Truths drawn from the softmax of their candidates' scores at this temperature."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        scores = rng.normal(size=12)
        p = np.exp(scores / temperature)
        found.append(rank_by_score(np.arange(12), scores, int(rng.choice(12, p=p / p.sum()))))
    return found


def test_metrics_of_known_ranks() -> None:
    values = per_spectrum([ranking(1), ranking(1.5), ranking(6), ranking(NEVER)])
    assert values["hit@1"].mean() == 0.25
    assert values["hit@5"].mean() == 0.5
    assert values["hit@20"].mean() == values["coverage@40"].mean() == 0.75
    assert values["mrr"].mean() == pytest.approx((1 + 1 / 1.5 + 1 / 6) / 4)
    assert values["random_hit@1"].mean() == pytest.approx(0.075)  # what is no candidate cannot be hit


def test_means_and_intervals_go_by_compound_and_leave_out_what_does_not_count() -> None:
    compounds = ["a"] * 8 + ["b", "c", "d", "e"]
    hit = np.array([1.0] * 8 + [0.0, 0.0, np.nan, 1.0])
    figures = Resampling(compounds, seed=0).summary({"hit@1": hit})
    assert figures["hit@1"] == pytest.approx(9 / 11, abs=1e-4)
    assert figures["macro"]["hit@1"] == 0.5
    low, high = figures["ci95"]["hit@1"]
    assert low < 9 / 11 < high


def test_a_fitted_temperature_is_the_one_that_truths_were_drawn_with() -> None:
    rankings = drawn_rankings(4000, temperature=0.5)
    assert fit_temperature(rankings) == pytest.approx(0.5, rel=0.1)
    right = per_spectrum(rankings)["hit@1"]
    assert expected_calibration_error(reliability(p_first(rankings, 0.5), right)) < 0.03
    assert expected_calibration_error(reliability(p_first(rankings, 0.05), right)) > 0.2


def test_the_truths_probability_is_its_softmax() -> None:
    one = rank_by_score(np.arange(3), np.array([1.0, 2.0, 4.0]), 1)
    assert log_p_truth([one], 2.0)[0] == pytest.approx(1.0 - np.log(np.exp([0.5, 1.0, 2.0]).sum()))
    none = replace(one, truth_score=float("nan"))
    assert np.isnan(log_p_truth([none], 2.0)[0])
    with pytest.raises(ValueError, match="nothing to fit"):
        fit_temperature([none])


def test_the_surest_half_and_absence_are_told() -> None:
    confidence, right = np.array([0.9, 0.8, 0.3, 0.2]), np.array([1.0, 1.0, 0.0, 1.0])
    assert accuracy_at_coverage(confidence, right, 0.5) == 1
    assert accuracy_at_coverage(np.full(4, 0.5), right, 0.5) == 0.75  # nothing to choose by
    assert area_under_curve(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1
    assert area_under_curve(np.array([0.5]), np.array([0.5])) == 0.5


def test_strata_tell_adducts_instruments_peaks_and_nearness() -> None:
    cases = make_cases(*MOLECULES[:2])
    training = fingerprint_matrix([standardise(MOLECULES[0]).fingerprint])
    nearest = nearest_training_tanimoto(cases, training)
    assert nearest[cases[0].compound] == 1
    named = stratum_of(cases, nearest)
    assert named["adduct"] == ["[M+H]+"] * 4
    assert named["ion_mode"] == ["positive"] * 4
    assert named["nearest_training_tanimoto"] == [">= 0.8", ">= 0.8", "< 0.4", "< 0.4"]
    hit = np.array([1.0, 1.0, 0.0, 1.0])
    figures = strata_figures(named, hit, None, [case.compound for case in cases])
    assert figures["nearest_training_tanimoto"]["< 0.4"] == {
        "hit@1": 0.5, "blind_hit@1": None, "n_spectra": 2, "n_compounds": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "group"),
    [
        ("LC-ESI-ITFT", "Orbitrap"), ("Orbitrap", "Orbitrap"), ("LC-ESI-QFT", "Orbitrap"), ("QTOF", "QTOF"),
        ("LC-ESI-QQQ", "triple quadrupole"), ("LC-ESI-QIT", "ion trap"), ("EI-B", "other"), ("", "other"),
    ],
)  # fmt: skip
def test_instruments_go_to_sensible_groups(written: str, group: str) -> None:
    assert instrument_group(written) == group


def test_mces_is_bounded_and_kept(tmp_path: Path) -> None:
    pytest.importorskip("myopic_mces", reason="MCES needs myopic-mces, which is not installed here")
    ethanol, propanol, butane = "CCO", "CCCO", "CCCC"
    assert mces_distance(ethanol, propanol) == 1
    distances = MCESDistances(tmp_path / "mces.json")
    found = distances.mean([(ethanol, ethanol), (propanol, ethanol), None], limit=1, seed=0)
    assert found is not None
    assert (found.mean, found.n_spectra, found.n_pairs) == (0.5, 2, 1)
    again = MCESDistances(tmp_path / "mces.json")
    assert again.known == distances.known
    bounded = again.mean([(propanol, ethanol), (butane, ethanol)] * 5, limit=1, seed=0)
    assert bounded is not None
    assert bounded.n_pairs == 1
