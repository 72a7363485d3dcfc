"""Baselines that predict the molecule's fingerprint; a candidate scores the log odds of the bits it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import Case
from models_ml.evaluate.methods.bench import Bench, Unavailable, rank_scored
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.ranking.model import RANKING_FILE, RankingModel, load_ranking

DECOYS, BITS_ALONE = "fingerprint_decoys", "fingerprint_bce"
AT_ONCE = 8192  # molecules whose bits are unpacked together
DECIMALS = 4  # a sum of 2,048 float32 is not surer


def fingerprint_decoys_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """Heads trained among library decoys of like mass: the checkpoint's own, or those of a folder."""
    model = _from_folder(bench, DECOYS) or bench.model.ranking
    if model is None:
        raise Unavailable(
            f"{bench.model.name} has no {RANKING_FILE}: name a folder with --baseline {DECOYS}="
        )
    return _ranked(cases, bench, model, DECOYS)


def fingerprint_bce_ranking(cases: Sequence[Case], bench: Bench) -> list[Ranking]:
    """Heads trained on the bits alone."""
    model = _from_folder(bench, BITS_ALONE)
    if model is None:
        raise Unavailable(f"its heads are in no checkpoint: name their folder with --baseline {BITS_ALONE}=")
    return _ranked(cases, bench, model, BITS_ALONE)


def _from_folder(bench: Bench, name: str) -> RankingModel | None:
    """Raises Unavailable if the named folder has no heads. A twin has its heads in its checkpoint."""
    folder = bench.folders.get(name)
    if folder is None or bench.is_blind:
        return None
    model = load_ranking(folder)
    if model is None:
        raise Unavailable(f"{folder} has no {RANKING_FILE}")
    return model


def _ranked(cases: Sequence[Case], bench: Bench, model: RankingModel, name: str) -> list[Ranking]:
    fingerprints = bench.library.fingerprints

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        log_odds = _log_odds(batch, bench, model)
        if all(len(case.keys) == len(fingerprints) for case in batch):
            return list(_bit_sums(fingerprints, log_odds).T)
        return [
            _bit_sums(fingerprints[case.keys], row[None])[:, 0]
            for case, row in zip(batch, log_odds, strict=True)
        ]

    return rank_scored(cases, bench, score, name)


def _log_odds(batch: Sequence[Case], bench: Bench, model: RankingModel) -> NDArray[np.float32]:
    """Mean over the heads, (B, 2048)."""
    questions = [bench.question(case) for case in batch]
    return model.log_odds(
        [question.features for question in questions], [question.neutral_mass for question in questions]
    )


def _bit_sums(fingerprints: NDArray[np.uint8], log_odds: NDArray[np.float32]) -> Floats:
    """Packed fingerprints (n, 256) and log odds (B, 2048) to (n, B)."""
    sums = np.zeros((len(fingerprints), len(log_odds)))
    for start in range(0, len(fingerprints), AT_ONCE):
        bits = np.unpackbits(fingerprints[start : start + AT_ONCE], axis=1).astype(np.float32)
        sums[start : start + AT_ONCE] = bits @ log_odds.T
    return np.round(sums, DECIMALS)
