"""Temperatures that turn scores into probabilities: fitted on validation spectra or read from a checkpoint.

With stored temperatures, an installation without validation spectra can also measure information and
calibration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models_ml.checkpoint_info import TEMPERATURES_FILE
from models_ml.evaluate.measures.posterior import fit_temperature
from models_ml.evaluate.ranking import Ranking

BLIND_OF = "blind twin of "  # prefix of the method that the twin runs


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Temperatures of one protocol, by method. Protocols with and without references are separate."""

    path: Path
    protocol: str
    stored: dict[str, float] = field(default_factory=dict)  # in the checkpoint
    fitted: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, checkpoint: Path, protocol: str, *, with_references: bool) -> Temperatures:
        """`stored` is empty if the checkpoint has no temperatures of this protocol."""
        path = checkpoint / TEMPERATURES_FILE
        name = f"{protocol}, references" if with_references else protocol
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return cls(path, name, dict(stored.get(name, {})))

    def of(self, method: str, validation: Callable[[], Sequence[Ranking]] | None) -> float | None:
        """Fitted on the rankings of `validation`, which is called at most once per method.

        Without `validation`: the stored temperature. None if there is neither.
        """
        if validation is None:
            return self.stored.get(method)
        if method not in self.fitted:
            rankings = validation()
            if not any(ranking.truth_is_candidate for ranking in rankings):
                return None
            self.fitted[method] = fit_temperature(rankings)
        return self.fitted[method]

    def save(self) -> None:
        """Write the fitted temperatures into the checkpoint. Those of other methods and protocols stay."""
        stored = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        rounded = {name: float(f"{value:.6g}") for name, value in self.fitted.items()}
        stored[self.protocol] = {**stored.get(self.protocol, {}), **rounded}
        self.path.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n", encoding="utf-8")
