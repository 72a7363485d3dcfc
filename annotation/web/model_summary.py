"""What the models page says first of a model: one sentence, and how good its probabilities are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from annotation.web.charts import reliability_chart
from annotation.web.metrics_tables import PROTOCOL_LABELS

# Of the protocols that a checkpoint may record, those most like the daily work come first.
PROTOCOLS = (
    "precursor, references",
    "precursor, no references",
    "isomers, references",
    "isomers, no references",
)


@dataclass(frozen=True, slots=True)
class Bin:
    """Spectra with similar stated probabilities: their mean, and the share of right answers."""

    stated: float
    observed: float
    n: int


@dataclass(frozen=True, slots=True)
class ModelSummary:
    sentence: str
    calibration_error: float | None  # mean difference of stated probability and observed frequency, 0 to 1
    bins: Sequence[Bin]
    plot: SafeString  # empty without bins


def summarise(metrics: Mapping[str, Any]) -> ModelSummary | None:
    """Of the method `fused`. None unless the metrics come from `models_ml.evaluate` and hold it."""
    protocols = metrics.get("protocols")
    if not isinstance(protocols, Mapping):
        return None
    for name in PROTOCOLS:
        fused = protocols.get(name, {}).get("fused", {})
        if all(key in fused for key in ("hit@1", "n_spectra")):
            return _summary(name, fused)
    return None


def _summary(protocol: str, fused: Mapping[str, Any]) -> ModelSummary:
    candidates = ", ".join(PROTOCOL_LABELS[part] for part in protocol.split(", "))
    sentence = f"Rank 1 is right for {_percent(fused['hit@1'])} of {fused['n_spectra']:,} test spectra"
    if "blind_hit@1" in fused:
        sentence += f", and for {_percent(fused['blind_hit@1'])} without their peaks"
    bins = [Bin(row["confidence"], row["accuracy"], row["n"]) for row in fused.get("reliability", [])]
    plot = reliability_chart([(found.stated, found.observed) for found in bins]) if bins else SafeString("")
    return ModelSummary(
        f"{sentence} ({candidates[0].lower()}{candidates[1:]}).", fused.get("ece"), bins, plot
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"
