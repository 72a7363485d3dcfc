"""Warnings appear when training shows a sign of failure, and not before."""

from __future__ import annotations

from models_ml.training.monitors import contrastive_warnings, generation_warnings


def test_poor_recall_gives_a_warning_in_the_second_half() -> None:
    checks = [{"val_whole_hit@20": 0.1, "val_cosine_gap": 0.9}]
    assert contrastive_warnings(checks, spent=0.2) == []
    (warning,) = contrastive_warnings(checks, spent=0.8)
    assert "10.0%" in warning
    assert contrastive_warnings([{"val_whole_hit@20": 0.3}], spent=1.0) == []


def test_a_gap_that_does_not_shrink_gives_a_warning() -> None:
    (warning,) = contrastive_warnings([{"val_cosine_gap": gap} for gap in (0.6, 0.5, 0.7)], spent=0.1)
    assert "does not shrink" in warning
    assert contrastive_warnings([{"val_cosine_gap": gap} for gap in (0.6, 0.7, 0.5)], spent=0.1) == []
    assert contrastive_warnings([], spent=1.0) == []


def test_generated_molecules_far_from_the_truth_give_a_warning() -> None:
    assert generation_warnings(None) == generation_warnings(12.0) == []
    assert "is 60, above 50" in generation_warnings(60.0)[0]
