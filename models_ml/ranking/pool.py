"""How the evidence of a feature's members becomes one answer. The only place with this rule.

Every function returns the values of a single member unchanged, and does not depend on the order of members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models_ml.outcomes import Embedding

Probabilities = NDArray[np.float64]
LEAST = 1e-6  # a probability below counts as this much: no member alone can exclude a candidate


def pool_embeddings(embeddings: Sequence[Embedding]) -> Embedding:
    """Mean of unit vectors (D,), unit length again."""
    if len(embeddings) == 1:
        return embeddings[0]
    mean = _sum(np.stack(embeddings).astype(np.float64))
    return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)


def pool_probabilities(members: Sequence[Probabilities]) -> Probabilities:
    """(C + 1,) of each member, the last for "none of these", to (C + 1,)."""
    if len(members) == 1:
        return members[0]
    mean = _sum(np.log(np.maximum(np.stack(members), LEAST))) / len(members)
    weights = np.exp(mean - mean.max())
    pooled: Probabilities = weights / weights.sum()
    return pooled


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
