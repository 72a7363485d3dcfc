"""From values for each spectrum to figures: means over spectra and compounds, intervals over compounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.molecules.fingerprint import tanimoto

N_RESAMPLES = 1000


def per_spectrum(rankings: Sequence[Ranking]) -> dict[str, Floats]:
    """Each rank metric's value for each spectrum, (n,)."""
    rank = np.array([ranking.rank for ranking in rankings])
    n_candidates = np.array([ranking.n_candidates for ranking in rankings], float)
    return {
        "hit@1": (rank <= 1).astype(float),
        "hit@5": (rank <= 5).astype(float),
        "hit@20": (rank <= 20).astype(float),
        "mrr": 1 / rank,
        "coverage@20": (rank <= 20).astype(float),
        "coverage@40": (rank <= 40).astype(float),
        "mean_candidates": n_candidates,
        "random_hit@1": np.array([_chance(ranking) for ranking in rankings]),
    }


def tanimoto_at_1(rankings: Sequence[Ranking], cases: Sequence[Case], library: Library) -> Floats:
    """Tanimoto of the first candidate to the truth, (n,); 0 without a candidate."""
    return np.array(
        [
            tanimoto(library.molecules[int(ranking.keys[0])].fingerprint, case.truth.fingerprint)
            if len(ranking.keys)
            else 0.0
            for ranking, case in zip(rankings, cases, strict=True)
        ]
    )


class Resampling:
    """Draws of compounds with replacement, the same for every metric, so that differences are paired."""

    def __init__(self, compounds: Sequence[str], *, seed: int) -> None:
        names, self.group = np.unique(np.array(compounds), return_inverse=True)
        self.n_compounds = len(names)
        rng = np.random.default_rng(seed)
        self.draws = rng.integers(0, self.n_compounds, (N_RESAMPLES, self.n_compounds))

    def summary(self, values: Mapping[str, Floats]) -> dict[str, Any]:
        """Means over spectra, under `macro` means over compounds, under `ci95` intervals of the former.

        NaN: the spectrum does not count for this metric.
        """
        result: dict[str, Any] = {name: _rounded(float(np.nanmean(value))) for name, value in values.items()}
        result["macro"] = {name: self.macro(value) for name, value in values.items()}
        result["ci95"] = {name: self.interval(value) for name, value in values.items()}
        return result

    def macro(self, value: Floats) -> float:
        totals, counts = self._by_compound(value)
        some = counts > 0
        return _rounded(float((totals[some] / counts[some]).mean()))

    def interval(self, value: Floats) -> list[float]:
        totals, counts = self._by_compound(value)
        drawn = counts[self.draws].sum(1)
        some = drawn > 0
        means = totals[self.draws].sum(1)[some] / drawn[some]
        return [_rounded(float(bound)) for bound in np.percentile(means, [2.5, 97.5])]

    def _by_compound(self, value: Floats) -> tuple[Floats, Floats]:
        counted = np.isfinite(value)
        totals = np.bincount(self.group, weights=np.where(counted, value, 0.0), minlength=self.n_compounds)
        counts = np.bincount(self.group, weights=counted, minlength=self.n_compounds)
        return totals.astype(np.float64), counts.astype(np.float64)


def generation_figures(rankings: Sequence[Ranking], compounds: Sequence[str]) -> dict[str, float]:
    """Of the beams: share that are molecules, and share of spectra whose truth is among them."""
    beams = [beam for ranking in rankings for beam in ranking.beams]
    if not beams:
        return {}
    pairs = [(r.beams, compound) for r, compound in zip(rankings, compounds, strict=True) if r.beams]
    return {
        "valid_beams": _rounded(sum(bool(beam) for beam in beams) / len(beams)),
        "truth_in_beams": _rounded(sum(compound in found for found, compound in pairs) / len(pairs)),
    }


def _chance(ranking: Ranking) -> float:
    """Of a blind draw to hit; the truth is a candidate or the draw cannot."""
    return 1 / ranking.n_candidates if ranking.truth_is_candidate else 0.0


def _rounded(value: float) -> float:
    return round(value, 4)
