"""A model's metrics as tables, with one row for each method and its controls.

There is one table for each protocol and number of test spectra. Methods that were measured on different
spectra never share a table, because their metrics cannot be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Metrics = Mapping[str, Any]  # of one method, by the names that the evaluation writes

# The parts of a protocol's name, as in "isomers, no references".
PROTOCOL_LABELS = {
    "precursor": "Candidates with the precursor's mass",
    "formula": "Candidates with the right formula",
    "isomers": "Candidates with the right formula, at least five",
    "whole": "Whole library as candidates",
    "references": "with reference spectra",
    "no references": "without reference spectra",
}
METHOD_LABELS = {
    "retrieval": "spectrum similarity only",
    "analogs": "analog spectra only",
    "fingerprint_decoys": "fingerprint only",
    "fingerprint_bce": "fingerprint only, trained without decoys",
    "glmr-paper": "glmr, generated similarity only",
    "random": "random order",
}


@dataclass(frozen=True)
class Column:
    metric: str  # the evaluation's name
    label: str
    help: str
    is_difference: bool = False  # shown in percentage points, with its sign


COLUMNS = (
    Column("hit@1", "Right at rank 1", "Spectra with the right molecule at rank 1, with 95 % interval."),
    Column("blind_hit@1", "Without peaks", "The same for a model that sees no peaks (blind control)."),
    Column("shuffled_hit@1", "Wrong peaks", "The same with peaks of another compound (shuffled control)."),
    Column("random_hit@1", "By chance", "The same for candidates in random order."),
    Column(
        "lift@1", "Gain from peaks", "“Right at rank 1” minus “without peaks”, in percentage points.", True
    ),
    Column("hit@5", "In the first 5", "Spectra with the right molecule among the first five ranks."),
    Column("ece", "Calibration error", "Mean difference of stated probability and observed frequency."),
    Column(
        "abstained_absent",
        "“None of these”, correct",
        "How often it is shown after the right molecule was deleted from the library.",
    ),
    Column(
        "abstained",
        "“None of these”, wrong",
        "How often it is shown although the right molecule is among the candidates, at any rank.",
    ),
)


@dataclass(frozen=True)
class Row:
    method: str
    cells: list[tuple[Column, str]]


@dataclass(frozen=True)
class MetricsTable:
    heading: str
    n_spectra: int | None
    rows: list[Row]


def metrics_tables(metrics: Metrics) -> list[MetricsTable]:
    """Tables for the metrics of a checkpoint. Empty unless they come from `models_ml.evaluate`."""
    protocols = metrics.get("protocols")
    if not isinstance(protocols, Mapping):
        return []
    return [
        _table(protocol, n_spectra, methods_of_table)
        for protocol, methods in sorted(protocols.items(), reverse=True)
        for n_spectra, methods_of_table in _by_n_spectra(methods).items()
    ]


def _by_n_spectra(methods: Mapping[str, Metrics]) -> dict[int | None, dict[str, Metrics]]:
    """The methods grouped by the number of spectra that they were measured on, largest first."""
    numbers = {metrics.get("n_spectra") for metrics in methods.values()}
    return {
        number: {name: metrics for name, metrics in methods.items() if metrics.get("n_spectra") == number}
        for number in sorted(numbers, key=lambda number: -(number or 0))
    }


def _table(protocol: str, n_spectra: int | None, methods: Mapping[str, Metrics]) -> MetricsTable:
    best_first = sorted(methods.items(), key=lambda pair: -(pair[1].get("hit@1") or 0.0))
    rows = [
        Row(METHOD_LABELS.get(name, name), [(column, _cell(column, metrics)) for column in COLUMNS])
        for name, metrics in best_first
    ]
    heading = ", ".join(PROTOCOL_LABELS.get(part, part) for part in protocol.split(", "))
    return MetricsTable(heading, n_spectra, rows)


def _cell(column: Column, metrics: Metrics) -> str:
    value = metrics.get(column.metric)
    if not isinstance(value, int | float):
        return "\N{EN DASH}"
    sign = "+" if column.is_difference else ""
    text = f"{100 * value:{sign}.1f}" + ("" if column.is_difference else "\N{NO-BREAK SPACE}%")
    if column.metric in ("hit@1", "lift@1") and (interval := metrics.get("ci95", {}).get(column.metric)):
        low, high = interval
        text += f" ({round(100 * low)} to {round(100 * high)})"
    return text.replace("-", "\N{MINUS SIGN}")
