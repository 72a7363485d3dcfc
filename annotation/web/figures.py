"""A model's measured figures as tables, a row for each method with its controls.

One table for each protocol and number of spectra: methods of different draws are not set side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A protocol as the evaluation names it, "isomers, no references".
PROTOCOL_WORDS = {
    "precursor": "Among all molecules of the precursor's mass",
    "formula": "Among all molecules of the right formula",
    "isomers": "Among all molecules of the right formula, at least five",
    "whole": "Among the whole library",
    "references": "with reference spectra",
    "no references": "without reference spectra",
}
METHOD_LABELS = {
    "retrieval": "spectrum similarity alone",
    "analogs": "analog spectra alone",
    "fingerprint_decoys": "fingerprint alone",
    "fingerprint_bce": "fingerprint alone, trained without decoys",
    "glmr-paper": "glmr, by generated molecules alone",
    "random": "drawn by lot",
}


@dataclass(frozen=True)
class Column:
    figure: str  # as the evaluation calls it
    label: str
    help: str
    is_difference: bool = False  # in percentage points, with its sign


COLUMNS = (
    Column("hit@1", "Right at rank 1", "Share of spectra whose molecule came first, with 95 % interval."),
    Column("blind_hit@1", "Without peaks", "The same by a model that sees no peaks."),
    Column("shuffled_hit@1", "Wrong peaks", "The same with the peaks of another compound."),
    Column("random_hit@1", "By chance", "The same if candidates were drawn by lot."),
    Column("lift@1", "Gain by peaks", "Right at rank 1 less without peaks, in percentage points.", True),
    Column("hit@5", "In the first 5", "Share of spectra whose molecule came among the first five."),
    Column("ece", "Calibration error", "How far stated probabilities are from what came true, on average."),
    Column(
        "abstained_absent",
        "“None of these”, rightly",
        "How often it says so after the molecule was deleted from the library.",
    ),
    Column(
        "abstained",
        "“None of these”, though there",
        "How often it says so of spectra whose molecule is among the candidates, right at rank 1 or not.",
    ),
)


@dataclass(frozen=True)
class Row:
    method: str
    cells: list[tuple[Column, str]]


@dataclass(frozen=True)
class FigureTable:
    heading: str
    n_spectra: int | None
    rows: list[Row]


def figure_tables(metrics: Mapping[str, Any]) -> list[FigureTable]:
    """Those of a checkpoint that came with an evaluation; none for figures of another shape."""
    protocols = metrics.get("protocols")
    if not isinstance(protocols, Mapping):
        return []
    return [
        _table(name, n_spectra, some)
        for name, methods in sorted(protocols.items(), reverse=True)
        for n_spectra, some in _by_draw(methods).items()
    ]


def _by_draw(methods: Mapping[str, Mapping[str, Any]]) -> dict[int | None, dict[str, Mapping[str, Any]]]:
    """The methods by how many spectra each was measured on, the most first."""
    numbers = sorted({told.get("n_spectra") for told in methods.values()}, key=lambda n: -(n or 0))
    return {n: {name: told for name, told in methods.items() if told.get("n_spectra") == n} for n in numbers}


def _table(protocol: str, n_spectra: int | None, methods: Mapping[str, Mapping[str, Any]]) -> FigureTable:
    best_first = sorted(methods.items(), key=lambda pair: -(pair[1].get("hit@1") or 0.0))
    rows = [
        Row(METHOD_LABELS.get(name, name), [(column, _cell(column, told)) for column in COLUMNS])
        for name, told in best_first
    ]
    heading = ", ".join(PROTOCOL_WORDS.get(part, part) for part in protocol.split(", "))
    return FigureTable(heading, n_spectra, rows)


def _cell(column: Column, told: Mapping[str, Any]) -> str:
    value = told.get(column.figure)
    if not isinstance(value, int | float):
        return "\N{EN DASH}"
    sign = "+" if column.is_difference else ""
    text = f"{100 * value:{sign}.1f}" + ("" if column.is_difference else "\N{NO-BREAK SPACE}%")
    if column.figure in ("hit@1", "lift@1") and (interval := told.get("ci95", {}).get(column.figure)):
        low, high = interval
        text += f" ({round(100 * low)} to {round(100 * high)})"
    return text.replace("-", "\N{MINUS SIGN}")
