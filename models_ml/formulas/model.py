"""The fitted parameters of the formula ranking, and the tables that they need. Read from one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from models_ml.formulas.elements import Floats
from models_ml.formulas.enumeration import HeteroTable
from models_ml.formulas.features import BLIND_FEATURES, FEATURES
from models_ml.formulas.plausibility import Plausibility
from models_ml.formulas.small_formulas import SmallFormulas
from models_ml.formulas.vocabulary import LogOdds, Vocabulary

PARAMETERS_FILE = Path(__file__).with_name("parameters.json")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns scores into probabilities.

    p = exp(score / temperature) / (sum over candidates + exp(other)). The last term is a formula that was
    not enumerated: another element, or an error beyond the tolerance.
    """

    temperature: float
    other: float

    def probabilities(self, scores: Floats) -> Floats:
        """(n,), with a sum below 1."""
        logits = np.append(scores / self.temperature, self.other)
        weights = np.exp(logits - logits.max())
        probabilities: Floats = (weights / weights.sum())[:-1]
        return probabilities


@dataclass(frozen=True, eq=False)
class FormulaModel:
    """`weights` (len(FEATURES),); `blind_weights` (len(BLIND_FEATURES),) choose what is read closely."""

    plausibility: Plausibility
    vocabulary: Vocabulary
    weights: Floats
    blind_weights: Floats
    isotope_weight: float  # of the log likelihood of the pattern
    calibrations: Mapping[str, Calibration]  # by "peaks", "peaks and isotopes", "blind"
    fitted_on: Mapping[str, Any]

    @cached_property
    def hetero(self) -> HeteroTable:
        return HeteroTable.build(self.plausibility.rare_parts.tolist())

    @cached_property
    def small(self) -> SmallFormulas:
        return SmallFormulas.build(self.plausibility.rare_parts.tolist())

    def to_json(self) -> dict[str, Any]:
        return {
            "fitted_on": dict(self.fitted_on),
            "weights": dict(zip(FEATURES, np.round(self.weights, 4).tolist(), strict=True)),
            "blind_weights": dict(zip(BLIND_FEATURES, np.round(self.blind_weights, 4).tolist(), strict=True)),
            "isotope_weight": round(self.isotope_weight, 4),
            "calibrations": {
                name: {"temperature": round(found.temperature, 4), "other": round(found.other, 4)}
                for name, found in self.calibrations.items()
            },
            "vocabulary": {
                "fragments": self.vocabulary.fragments.to_json(),
                "losses": self.vocabulary.losses.to_json(),
            },
            "plausibility": self.plausibility.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> FormulaModel:
        return cls(
            plausibility=Plausibility.from_json(stored["plausibility"]),
            vocabulary=Vocabulary(
                LogOdds.from_json(stored["vocabulary"]["fragments"]),
                LogOdds.from_json(stored["vocabulary"]["losses"]),
            ),
            weights=np.array([stored["weights"][name] for name in FEATURES]),
            blind_weights=np.array([stored["blind_weights"][name] for name in BLIND_FEATURES]),
            isotope_weight=float(stored["isotope_weight"]),
            calibrations={name: Calibration(**found) for name, found in stored["calibrations"].items()},
            fitted_on=stored["fitted_on"],
        )


class BrokenFormulaParameters(Exception):
    """The parameters file cannot be used: what is wrong, where, and how to fix it."""


@lru_cache(maxsize=4)
def load_formula_model(path: Path = PARAMETERS_FILE) -> FormulaModel:
    """Raises BrokenFormulaParameters for a missing or wrong file. Tables are built on first use."""
    try:
        return FormulaModel.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenFormulaParameters(
            f"{path} does not hold the parameters of the formula ranking ({error!r}). "
            "Restore the file of this release, or write it again: python -m models_ml.training formulas."
        ) from error
