"""Conditional logit: weights under which the right row of each list is the most probable.

p(row) = exp(features · weights) / (sum over the rows of its list). Fitted by Newton's method.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models_ml.formulas.elements import Floats

RIDGE = 1e-3  # per list, on standardised weights
_STEPS = 25
_ENOUGH = 1e-6


def fit_conditional_logit(lists: Sequence[Floats], truths: Sequence[int], *, ridge: float = RIDGE) -> Floats:
    """Weights (K,). `lists`: features (n_i, K); `truths`: the right row of each.

    Raises ValueError without lists.
    """
    if not lists:
        raise ValueError("No list contains its right formula, so there is nothing to fit the weights on.")
    rows = np.concatenate(lists)
    sizes = np.array([len(features) for features in lists])
    first = np.cumsum(sizes) - sizes
    of_list = np.repeat(np.arange(len(lists)), sizes)
    # Only differences within a list matter.
    rows = rows - (np.add.reduceat(rows, first) / sizes[:, None])[of_list]
    spread = np.maximum(rows.std(0), 1e-9)
    rows /= spread
    right = rows[first + np.array(truths)].sum(0)
    weights = np.zeros(rows.shape[1])
    penalty = ridge * len(lists)
    for _ in range(_STEPS):
        scores = rows @ weights
        scores -= np.maximum.reduceat(scores, first)[of_list]
        p = np.exp(scores)
        p /= np.add.reduceat(p, first)[of_list]
        weighted = rows * p[:, None]
        means = np.add.reduceat(weighted, first)
        gradient = right - means.sum(0) - penalty * weights
        hessian = rows.T @ weighted - means.T @ means + penalty * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        weights += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < _ENOUGH:
            break
    fitted: Floats = weights / spread
    return fitted
