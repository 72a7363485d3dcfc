"""How the evidence of a feature's members becomes one answer. The only place with this rule.

Every function returns the values of a single member unchanged, and does not depend on the order of members.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.outcomes import Embedding
from models_ml.ranking.ranker import ABSENT_PRIOR, odds

Probabilities = NDArray[np.float64]
# A probability below counts as this much, so that no member excludes a candidate alone.
LEAST = 1e-6
# The log posteriors of n members are summed and divided by n to this power. 1: their mean. 0: as if the
# members were independent, which makes probabilities far too high. On validation groups of two and more
# spectra, without references, -ln p(truth) is 0.77 with 1, 0.81 with 0.8, 1.05 with 0.5 and 1.51 with 0.2:
# `python -m models_ml.evaluate pooling`, DECISIONS.md.
EXPONENT = 1.0
# The mean log posterior of members that disagree is flat, so it states probabilities that are too low: each
# member adds evidence. It is multiplied by 1 + SHARPENING * (1 - agreement), see `agreement_of`. Members that
# agree keep their probabilities, and the order of the candidates does not change. Fitted on validation groups
# by `python -m models_ml.evaluate pooling`, DECISIONS.md.
SHARPENING = 0.6


def pool_embeddings(embeddings: Sequence[Embedding]) -> Embedding:
    """Mean of unit vectors (D,), unit length again."""
    if len(embeddings) == 1:
        return embeddings[0]
    mean = _sum(np.stack(embeddings).astype(np.float64))
    return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)


def pool_probabilities(
    members: Sequence[Probabilities], exponent: float = EXPONENT, sharpening: float = SHARPENING
) -> Probabilities:
    """(C + 1,) of each member, the last for "none of these", to (C + 1,).

    Two questions are pooled apart: which candidate it is if it is one of them, by the log posteriors, and
    whether it is one of them, by the log odds of absence beyond the prior.
    """
    if len(members) == 1:
        return members[0]
    stacked = np.stack(members)
    divisor = len(members) ** exponent
    p_absent = np.clip(stacked[:, -1], LEAST, 1 - LEAST)
    posterior = stacked[:, :-1] / np.maximum(stacked[:, :-1].sum(axis=1, keepdims=True), LEAST)
    logs = _sum(np.log(np.maximum(posterior, LEAST)))
    agreement = agreement_of(logs / len(members))
    log_posterior = logs / divisor * (1 + sharpening * (1 - agreement))
    weights = np.exp(log_posterior - log_posterior.max())
    prior = math.log(odds(ABSENT_PRIOR))
    evidence = _sum((np.log(p_absent / (1 - p_absent)) - prior)[:, None])[0] / divisor
    absent = 1 / (1 + math.exp(-prior - float(evidence)))
    return np.append(weights / weights.sum() * (1 - absent), absent)


def agreement_of(mean_log: NDArray[np.float64]) -> float:
    """The sum of the geometric means of the members' posteriors: 1 if they are equal, else between 0 and 1.

    `mean_log` (C,): the mean of their logarithms. For two members it is the Bhattacharyya coefficient.
    """
    return min(float(np.exp(mean_log).sum()), 1.0)


def pool_evidence(members: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each channel over the members that have a value."""
    if len(members) == 1:
        return dict(members[0])
    names = list(dict.fromkeys(name for channels in members for name in channels))
    return {
        name: float(np.mean(sorted(channels[name] for channels in members if name in channels)))
        for name in names
    }


def _sum(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over axis 0 that is equal to the bit for any order of the rows."""
    total: NDArray[np.float64] = np.sort(rows, axis=0).sum(axis=0)
    return total
