"""Temperatures that make posteriors of scores: fitted on validation spectra, or kept in the checkpoint.

Kept ones let whoever has no validation spectra, as an installation, measure information and calibration too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models_ml.checkpoint_info import TEMPERATURES_FILE
from models_ml.evaluate.measures.posterior import fit_temperature
from models_ml.evaluate.ranking import Ranking

BLIND_OF = "blind twin of "  # before the name of the method that the twin runs


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Of one protocol, by method. Scores with references are others than those without."""

    path: Path
    protocol: str
    known: dict[str, float] = field(default_factory=dict)
    fitted: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, checkpoint: Path, protocol: str, *, with_references: bool) -> Temperatures:
        """Nothing is known yet where the checkpoint keeps none."""
        path = checkpoint / TEMPERATURES_FILE
        name = f"{protocol}, references" if with_references else protocol
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return cls(path, name, dict(stored.get(name, {})))

    def of(self, method: str, validation: Callable[[], Sequence[Ranking]] | None) -> float | None:
        """Fitted on the rankings of `validation`, which is called at most once a method; None: as kept."""
        if validation is None:
            return self.known.get(method)
        if method not in self.fitted:
            rankings = validation()
            if not any(one.truth_is_candidate for one in rankings):
                return None
            self.fitted[method] = fit_temperature(rankings)
        return self.fitted[method]

    def save(self) -> None:
        """Put what was fitted beside what the checkpoint keeps already."""
        stored = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        rounded = {name: float(f"{value:.6g}") for name, value in self.fitted.items()}
        stored[self.protocol] = {**stored.get(self.protocol, {}), **rounded}
        self.path.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n", encoding="utf-8")
