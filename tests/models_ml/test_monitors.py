"""The signs of failure are told when they show, and not before."""

from __future__ import annotations

from models_ml.training.monitors import contrastive_signs, generation_signs


def test_poor_recall_is_told_in_the_second_half() -> None:
    checks = [{"val_whole_hit@20": 0.1, "val_cosine_gap": 0.9}]
    assert contrastive_signs(checks, spent=0.2) == []
    (sign,) = contrastive_signs(checks, spent=0.8)
    assert "10.0%" in sign
    assert contrastive_signs([{"val_whole_hit@20": 0.3}], spent=1.0) == []


def test_a_gap_that_stays_is_told() -> None:
    (sign,) = contrastive_signs([{"val_cosine_gap": gap} for gap in (0.6, 0.5, 0.7)], spent=0.1)
    assert "does not shrink" in sign
    assert contrastive_signs([{"val_cosine_gap": gap} for gap in (0.6, 0.7, 0.5)], spent=0.1) == []
    assert contrastive_signs([], spent=1.0) == []


def test_far_molecules_are_told() -> None:
    assert generation_signs(None) == generation_signs(12.0) == []
    assert "60 bonds" in generation_signs(60.0)[0]
