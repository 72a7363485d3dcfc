"""Where each way of ranking puts the right formula of a spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models_ml.evaluate.ranking import Floats
from models_ml.formulas.model import Calibration, FormulaModel
from models_ml.formulas.ranking import BLIND, PEAKS, PEAKS_AND_ISOTOPES
from models_ml.training.formulas.stage import ListWithTruth, simulated_isotopes


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One ranking of one spectrum's formulas."""

    rank: float = np.inf  # of the truth; infinite if it is not among them
    confidence: float = np.nan  # probability of the first formula; nan without a calibration
    n_random: int = 0  # above 0: the truth is among this number of formulas in a random order

    def hit(self, most: int) -> float:
        """Whether the truth is among the first `most`; of a random order the probability."""
        if self.n_random:
            return min(1.0, most / self.n_random)
        return float(self.rank <= most)


NOT_LISTED = Outcome(confidence=0.0)
WITH_ISOTOPES = "peaks and simulated isotope pattern"
BLIND_WITH_ISOTOPES = "simulated isotope pattern, no peaks"


def score_by_peaks(lists: Sequence[ListWithTruth | None], model: FormulaModel) -> list[Outcome]:
    """As `rank_formulas` without an isotope pattern."""
    calibration = model.calibrations[PEAKS]
    return [
        _outcome(found, found.formulas.features @ model.weights, calibration) if found else NOT_LISTED
        for found in lists
    ]


def score_blind(lists: Sequence[ListWithTruth | None], model: FormulaModel) -> list[Outcome]:
    """By plausibility and mass error, with separate weights: what can be known without a peak."""
    calibration = model.calibrations[BLIND]
    return [
        _outcome(found, found.formulas.blind @ model.blind_weights, calibration) if found else NOT_LISTED
        for found in lists
    ]


def score_with_isotopes(
    lists: Sequence[ListWithTruth | None], model: FormulaModel, seed: int
) -> dict[str, list[Outcome]]:
    """As `rank_formulas` with a simulated isotope pattern, and the same pattern without peaks."""
    rng = np.random.default_rng(seed)
    calibration = model.calibrations[PEAKS_AND_ISOTOPES]
    with_peaks, without = [], []
    for found in lists:
        if found is None:
            with_peaks.append(NOT_LISTED)
            without.append(Outcome())
            continue
        pattern = simulated_isotopes(found, rng)
        scores = found.formulas.features @ model.weights + model.isotope_weight * pattern
        with_peaks.append(_outcome(found, scores, calibration))
        without.append(_outcome(found, found.formulas.blind @ model.blind_weights + pattern, None))
    return {WITH_ISOTOPES: with_peaks, BLIND_WITH_ISOTOPES: without}


def score_by_mass(lists: Sequence[ListWithTruth | None]) -> list[Outcome]:
    """The smallest mass error first, among the formulas that are read closely."""
    return [
        _outcome(found, -np.abs(found.formulas.mass_error_ppm), None) if found else Outcome()
        for found in lists
    ]


def score_at_random(lists: Sequence[ListWithTruth | None]) -> list[Outcome]:
    return [
        Outcome(n_random=found.formulas.n_formulas) if found and found.truth is not None else Outcome()
        for found in lists
    ]


def _outcome(found: ListWithTruth, scores: Floats, calibration: Calibration | None) -> Outcome:
    """Ties are broken by the mass error, as in `rank_formulas`."""
    confidence = float(calibration.probabilities(scores).max()) if calibration else np.nan
    if found.truth is None:
        return Outcome(confidence=confidence)
    error = np.abs(found.formulas.mass_error_ppm)
    ahead = scores > scores[found.truth]
    ahead |= (scores == scores[found.truth]) & (error < error[found.truth])
    return Outcome(1.0 + float(ahead.sum()), confidence)
