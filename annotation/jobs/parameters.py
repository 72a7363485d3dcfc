"""Run parameters as a job stores them: `AnnotateParams` as JSON, and a hash that equal parameters share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any

from models_ml.outcomes import AnnotateParams

# The behaviour before these parameters existed. Jobs of that time do not store them.
LEGACY_DEFAULTS: dict[str, Any] = {
    "method": "glmr",
    "syntax_constraint": False,
    "mass_constraint": 0.0,
    "rerank": "generated",
}


def to_json(params: AnnotateParams) -> dict[str, Any]:
    """Every field, including defaults, so that a later change of a default changes no stored job."""
    return asdict(params) | {"assumed_adducts": dict(params.assumed_adducts)}


def from_json(stored: dict[str, Any]) -> AnnotateParams:
    """The parameters of a stored job; `LEGACY_DEFAULTS` for fields that it lacks.

    Raises TypeError for a field that `AnnotateParams` does not have: a newer server submitted the job.
    """
    known = {field.name for field in fields(AnnotateParams)}
    unknown = sorted(set(stored) - known)
    if unknown:
        raise TypeError(
            f"Unknown run parameters {', '.join(unknown)}: a newer server submitted the job. Upgrade."
        )
    return AnnotateParams(**LEGACY_DEFAULTS | stored)


def complete(stored: dict[str, Any]) -> dict[str, Any]:
    """The stored parameters with those that did not exist yet. Unknown ones of a newer server stay."""
    return to_json(AnnotateParams()) | LEGACY_DEFAULTS | stored


def sha256(params: AnnotateParams) -> str:
    return hashlib.sha256(json.dumps(to_json(params), sort_keys=True).encode()).hexdigest()
