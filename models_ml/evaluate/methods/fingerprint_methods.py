"""Baselines that predict the fingerprint. The score of a candidate is the sum of log odds of its bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.evaluate.cases import Case
from models_ml.evaluate.methods.context import MethodContext, MethodUnavailable, rank_scored
from models_ml.evaluate.ranking import Floats, Ranking
from models_ml.ranking.model import RANKING_FILE, RankingModel, load_ranking

DECOYS, BCE = "fingerprint_decoys", "fingerprint_bce"
BATCH_SIZE = 8192  # molecules whose bits are unpacked together
DECIMALS = 4  # precision of a sum of 2,048 float32 values


def fingerprint_decoys_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    """Fingerprint heads trained with decoys of similar mass, from the checkpoint or from a folder."""
    model = _from_folder(context, DECOYS) or context.model.ranking
    if model is None:
        raise MethodUnavailable(
            f"{context.model.name} has no {RANKING_FILE}: name a folder with --baseline {DECOYS}="
        )
    return _ranked(cases, context, model, DECOYS)


def fingerprint_bce_ranking(cases: Sequence[Case], context: MethodContext) -> list[Ranking]:
    """Fingerprint heads trained with binary cross entropy, without decoys."""
    model = _from_folder(context, BCE)
    if model is None:
        raise MethodUnavailable(f"the heads are in no checkpoint: name their folder with --baseline {BCE}=")
    return _ranked(cases, context, model, BCE)


def _from_folder(context: MethodContext, name: str) -> RankingModel | None:
    """None without a folder, and for a twin. Raises MethodUnavailable if the folder has no heads."""
    folder = context.folders.get(name)
    if folder is None or context.is_blind:
        return None
    model = load_ranking(folder)
    if model is None:
        raise MethodUnavailable(f"{folder} has no {RANKING_FILE}")
    return model


def _ranked(cases: Sequence[Case], context: MethodContext, model: RankingModel, name: str) -> list[Ranking]:
    fingerprints = context.library.fingerprints

    def score(batch: Sequence[Case]) -> Iterable[Floats]:
        log_odds = _log_odds(batch, context, model)
        if all(len(case.keys) == len(fingerprints) for case in batch):
            return list(_bit_sums(fingerprints, log_odds).T)
        return [
            _bit_sums(fingerprints[case.keys], row[None])[:, 0]
            for case, row in zip(batch, log_odds, strict=True)
        ]

    return rank_scored(cases, context, score, name)


def _log_odds(batch: Sequence[Case], context: MethodContext, model: RankingModel) -> NDArray[np.float32]:
    """Log odds of each bit, mean over the heads: (B, 2048)."""
    prepared = [context.prepared(case) for case in batch]
    return model.log_odds(
        [spectrum.features for spectrum in prepared], [spectrum.window.neutral_mass for spectrum in prepared]
    )


def _bit_sums(fingerprints: NDArray[np.uint8], log_odds: NDArray[np.float32]) -> Floats:
    """Sums of log odds (B, 2048) over the set bits of packed fingerprints (n, 256): (n, B)."""
    sums = np.zeros((len(fingerprints), len(log_odds)))
    for start in range(0, len(fingerprints), BATCH_SIZE):
        bits = np.unpackbits(fingerprints[start : start + BATCH_SIZE], axis=1).astype(np.float32)
        sums[start : start + BATCH_SIZE] = bits @ log_odds.T
    return np.round(sums, DECIMALS)
