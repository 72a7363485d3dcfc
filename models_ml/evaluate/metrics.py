"""From rankings to figures with intervals: per spectrum, per compound, and resampled over compounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.methods import Ranking, random_hit

N_RESAMPLES = 1000
Figures = dict[str, float]


def per_spectrum(rankings: Sequence[Ranking]) -> dict[str, NDArray[np.float64]]:
    """Each metric's value for each spectrum, (n,)."""
    rank = np.array([ranking.rank for ranking in rankings])
    return {
        "hit@1": (rank <= 1).astype(float),
        "hit@5": (rank <= 5).astype(float),
        "hit@20": (rank <= 20).astype(float),
        "mrr": 1 / rank,
        "coverage@40": np.array([float(ranking.covered and ranking.rank <= 40) for ranking in rankings]),
        "tanimoto@1": np.array([ranking.tanimoto for ranking in rankings]),
        "random_hit@1": np.array(random_hit(rankings)),
    }


def add_controls(
    values: dict[str, NDArray[np.float64]],
    blind: Sequence[Ranking] | None,
    shuffled: Sequence[Ranking] | None,
) -> None:
    """Add the controls' hits beside the method's own, and what the peaks add to the blind twin."""
    if blind is not None:
        values["blind_hit@1"] = per_spectrum(blind)["hit@1"]
        values["lift@1"] = values["hit@1"] - values["blind_hit@1"]
    if shuffled is not None:
        values["shuffled_hit@1"] = per_spectrum(shuffled)["hit@1"]


def summarise(
    values: Mapping[str, NDArray[np.float64]], compounds: Sequence[str], *, seed: int
) -> dict[str, object]:
    """Means over spectra, means over compounds, and 95 % intervals of the former."""
    names, group = np.unique(np.array(compounds), return_inverse=True)
    counts = np.bincount(group)
    sums = {metric: np.bincount(group, weights=value).astype(float) for metric, value in values.items()}
    draws = np.random.default_rng(seed).integers(0, len(names), (N_RESAMPLES, len(names)))
    result: dict[str, object] = {metric: round(float(v.mean()), 4) for metric, v in values.items()}
    result["per_compound"] = {
        metric: round(float((total / counts).mean()), 4) for metric, total in sums.items()
    }
    result["ci95"] = {metric: _interval(total, counts, draws) for metric, total in sums.items()}
    result["n_spectra"] = len(compounds)
    result["n_compounds"] = len(names)
    return result


def generation_figures(rankings: Sequence[Ranking], compounds: Sequence[str]) -> Figures:
    """Of the beams: share that are molecules, and share of spectra whose truth is among them."""
    beams = [beam for ranking in rankings for beam in ranking.beams]
    if not beams:
        return {}
    pairs = [(r.beams, compound) for r, compound in zip(rankings, compounds, strict=True) if r.beams]
    return {
        "valid_beams": round(sum(bool(beam) for beam in beams) / len(beams), 4),
        "truth_in_beams": round(sum(compound in found for found, compound in pairs) / len(pairs), 4),
    }


def _interval(
    totals: NDArray[np.float64], counts: NDArray[np.int64], draws: NDArray[np.int64]
) -> list[float]:
    means = totals[draws].sum(1) / counts[draws].sum(1)
    return [round(float(bound), 4) for bound in np.percentile(means, [2.5, 97.5])]
