"""Metrics of ranks, one value per spectrum, and metrics of the generated molecules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models_ml.evaluate.cases import Case
from models_ml.evaluate.library import Library
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.molecules.fingerprint import tanimoto


def per_spectrum(rankings: Sequence[Ranking]) -> dict[str, Floats]:
    """Values of each rank metric, one per spectrum: (n,)."""
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
    """Tanimoto similarity of the first candidate and the truth, (n,); 0 without a candidate."""
    return np.array(
        [
            tanimoto(library.molecules[int(ranking.keys[0])].fingerprint, case.truth.fingerprint)
            if len(ranking.keys)
            else 0.0
            for ranking, case in zip(rankings, cases, strict=True)
        ]
    )


def generation_metrics(rankings: Sequence[Ranking], compounds: Sequence[str]) -> dict[str, float]:
    """Share of valid beams, and share of spectra with the truth among the beams. Empty without beams."""
    beams = [beam for ranking in rankings for beam in ranking.beams]
    if not beams:
        return {}
    pairs = [
        (ranking.beams, compound)
        for ranking, compound in zip(rankings, compounds, strict=True)
        if ranking.beams
    ]
    return {
        "valid_beams": round(sum(bool(beam) for beam in beams) / len(beams), 4),
        "truth_in_beams": round(sum(compound in blocks for blocks, compound in pairs) / len(pairs), 4),
    }


def _chance(ranking: Ranking) -> float:
    """Probability that a random order has the truth first; 0 if the truth is no candidate."""
    return 1 / ranking.n_candidates if ranking.truth_is_candidate else 0.0
