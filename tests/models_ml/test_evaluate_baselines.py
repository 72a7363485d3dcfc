"""Classical similarities of spectra, compared with their definitions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="evaluation runs the model, which needs torch")

from models_ml.evaluate.methods.spectral_similarity import EntropyIndex, modified_cosine
from tests.models_ml.test_analogs import make_features


def entropy(p: np.ndarray) -> float:
    return -float((p * np.log2(p)).sum())


def test_entropy_similarity_follows_from_the_entropy_of_the_mixture() -> None:
    first, second = make_features(100.0, 150.0, 200.0), make_features(100.01, 150.0, 300.0)
    similarities = EntropyIndex([second, first, make_features(400.0)]).similarities(first)
    third = np.full(3, 1 / 3)  # weighting keeps equal peaks equal
    mixed = np.array([2 / 6, 2 / 6, 1 / 6, 1 / 6])
    expected = 1 - (2 * entropy(mixed) - 2 * entropy(third)) / 2
    assert similarities == pytest.approx([expected, 1.0, 0.0])


def test_modified_cosine_matches_shifted_peaks_once() -> None:
    plain = make_features(100.0, 200.0, precursor_mz=300.0)
    assert modified_cosine(plain, plain) == pytest.approx(1)
    shifted = make_features(100.0, 214.0, precursor_mz=314.0)
    assert modified_cosine(plain, shifted) == pytest.approx(1)
    assert modified_cosine(plain, make_features(100.0, 207.0, precursor_mz=314.0)) == pytest.approx(0.5)
    # A peak matches only once: 100 fits 100, and 114 by the difference of the precursors.
    twice = make_features(100.0, 114.0, precursor_mz=314.0)
    assert modified_cosine(make_features(100.0, precursor_mz=300.0), twice) == pytest.approx(1 / np.sqrt(2))
