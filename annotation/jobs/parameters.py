"""Run parameters as a job stores them: JSON of `AnnotateParams`, and the hash that equal parameters share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any

from models_ml.outcomes import AnnotateParams

LEGACY_DEFAULTS: dict[str, Any] = {
    "method": "glmr",
    "syntax_constraint": False,
    "mass_constraint": 0.0,
    "rerank": "generated",
}


def to_json(params: AnnotateParams) -> dict[str, Any]:
    """Every field, defaults included, so that a later change of a default changes no old job."""
    return asdict(params) | {"assumed_adducts": dict(params.assumed_adducts)}


def from_json(stored: dict[str, Any]) -> AnnotateParams:
    """Raises TypeError for a name that `AnnotateParams` does not know: such a job was made by other code.

    A job from before there was a choice asked for the only way that there was.
    """
    known = {field.name for field in fields(AnnotateParams)}
    unknown = sorted(set(stored) - known)
    if unknown:
        raise TypeError(
            f"Unknown run parameters {', '.join(unknown)}: the job was submitted by a newer server."
        )
    return AnnotateParams(**LEGACY_DEFAULTS | stored)


def sha256(params: AnnotateParams) -> str:
    return hashlib.sha256(json.dumps(to_json(params), sort_keys=True).encode()).hexdigest()
