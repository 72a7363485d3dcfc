"""Metrics, intervals, temperatures, calibration, strata and MCES, compared with values computed by hand."""

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
from models_ml.evaluate.measures.posterior import fit_temperature, log_p_truth, p_first
from models_ml.evaluate.measures.rank_metrics import per_spectrum
from models_ml.evaluate.measures.resampling import Resampling
from models_ml.evaluate.measures.strata import (
    instrument_group,
    nearest_training_tanimoto,
    strata_metrics,
    strata_names,
)
from models_ml.evaluate.ranking import NEVER, Ranking, rank_by_score
from models_ml.molecules.fingerprint import fingerprint_matrix
from models_ml.molecules.standardise import standardise
from tests.models_ml.test_evaluate import make_cases
from tests.tiny_checkpoint import MOLECULES


def ranking(rank: float, n: int = 10) -> Ranking:
    return Ranking(rank=rank, n_candidates=n, truth_score=float("nan") if rank == NEVER else 0.0)


def drawn_rankings(n: int, *, temperature: float, seed: int = 0) -> list[Ranking]:
    """Rankings whose truths are drawn from the softmax of the scores at this temperature."""
    rng = np.random.default_rng(seed)
    rankings = []
    for _ in range(n):
        scores = rng.normal(size=12)
        p = np.exp(scores / temperature)
        rankings.append(rank_by_score(np.arange(12), scores, int(rng.choice(12, p=p / p.sum()))))
    return rankings


def test_metrics_of_known_ranks() -> None:
    values = per_spectrum([ranking(1), ranking(1.5), ranking(6), ranking(NEVER)])
    assert values["hit@1"].mean() == 0.25
    assert values["hit@5"].mean() == 0.5
    assert values["hit@20"].mean() == values["coverage@40"].mean() == 0.75
    assert values["mrr"].mean() == pytest.approx((1 + 1 / 1.5 + 1 / 6) / 4)
    assert values["random_hit@1"].mean() == pytest.approx(0.075)  # no chance if the truth is no candidate


def test_intervals_are_over_compounds_and_ignore_missing_values() -> None:
    compounds = ["a"] * 8 + ["b", "c", "d", "e"]
    hit = np.array([1.0] * 8 + [0.0, 0.0, np.nan, 1.0])
    summary = Resampling(compounds, seed=0).summary({"hit@1": hit})
    assert summary["hit@1"] == pytest.approx(9 / 11, abs=1e-4)
    assert summary["macro"]["hit@1"] == 0.5
    low, high = summary["ci95"]["hit@1"]
    assert low < 9 / 11 < high


def test_fitting_finds_the_temperature_of_the_truths() -> None:
    rankings = drawn_rankings(4000, temperature=0.5)
    assert fit_temperature(rankings) == pytest.approx(0.5, rel=0.1)
    right = per_spectrum(rankings)["hit@1"]
    assert expected_calibration_error(reliability(p_first(rankings, 0.5), right)) < 0.03
    assert expected_calibration_error(reliability(p_first(rankings, 0.05), right)) > 0.2


def test_the_probability_of_the_truth_is_its_softmax() -> None:
    with_truth = rank_by_score(np.arange(3), np.array([1.0, 2.0, 4.0]), 1)
    assert log_p_truth([with_truth], 2.0)[0] == pytest.approx(1.0 - np.log(np.exp([0.5, 1.0, 2.0]).sum()))
    without_truth = replace(with_truth, truth_score=float("nan"))
    assert np.isnan(log_p_truth([without_truth], 2.0)[0])
    with pytest.raises(ValueError, match="no temperature can be fitted"):
        fit_temperature([without_truth])


def test_accuracy_of_the_confident_half_and_area_under_the_curve() -> None:
    confidence, right = np.array([0.9, 0.8, 0.3, 0.2]), np.array([1.0, 1.0, 0.0, 1.0])
    assert accuracy_at_coverage(confidence, right, 0.5) == 1
    assert accuracy_at_coverage(np.full(4, 0.5), right, 0.5) == 0.75  # equal confidences
    assert area_under_curve(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1
    assert area_under_curve(np.array([0.5]), np.array([0.5])) == 0.5


def test_strata_by_adduct_ion_mode_and_training_similarity() -> None:
    cases = make_cases(*MOLECULES[:2])
    training = fingerprint_matrix([standardise(MOLECULES[0]).fingerprint])
    nearest = nearest_training_tanimoto(cases, training)
    assert nearest[cases[0].compound] == 1
    names = strata_names(cases, nearest)
    assert names["adduct"] == ["[M+H]+"] * 4
    assert names["ion_mode"] == ["positive"] * 4
    assert names["nearest_training_tanimoto"] == [">= 0.8", ">= 0.8", "< 0.4", "< 0.4"]
    hit = np.array([1.0, 1.0, 0.0, 1.0])
    metrics = strata_metrics(names, hit, None, [case.compound for case in cases])
    assert metrics["nearest_training_tanimoto"]["< 0.4"] == {
        "hit@1": 0.5, "blind_hit@1": None, "n_spectra": 2, "n_compounds": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("instrument_type", "group"),
    [
        ("LC-ESI-ITFT", "Orbitrap"), ("Orbitrap", "Orbitrap"), ("LC-ESI-QFT", "Orbitrap"), ("QTOF", "QTOF"),
        ("LC-ESI-QQQ", "triple quadrupole"), ("LC-ESI-QIT", "ion trap"), ("EI-B", "other"), ("", "other"),
    ],
)  # fmt: skip
def test_instrument_types_have_groups(instrument_type: str, group: str) -> None:
    assert instrument_group(instrument_type) == group


def test_mces_distances_are_limited_and_cached(tmp_path: Path) -> None:
    pytest.importorskip("myopic_mces", reason="MCES needs myopic-mces, which is not installed here")
    ethanol, propanol, butane = "CCO", "CCCO", "CCCC"
    assert mces_distance(ethanol, propanol) == 1
    distances = MCESDistances(tmp_path / "mces.json")
    mean = distances.mean([(ethanol, ethanol), (propanol, ethanol), None], limit=1, seed=0)
    assert mean is not None
    assert (mean.mean, mean.n_spectra, mean.n_pairs) == (0.5, 2, 1)
    reloaded = MCESDistances(tmp_path / "mces.json")
    assert reloaded.known == distances.known
    limited = reloaded.mean([(propanol, ethanol), (butane, ethanol)] * 5, limit=1, seed=0)
    assert limited is not None
    assert limited.n_pairs == 1
