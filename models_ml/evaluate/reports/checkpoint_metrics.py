"""The metrics that a checkpoint carries: taken from reports, and shown as the table of its model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models_ml.evaluate.reports.markdown import table

METRICS = (
    "hit@1", "hit@5", "hit@20", "mrr", "coverage@20", "coverage@40", "mces@1", "tanimoto@1",
    "mean_candidates", "random_hit@1", "blind_hit@1", "shuffled_hit@1", "lift@1", "information_bits", "ece",
    "ece_close", "accuracy@50%", "abstained", "abstained_right", "abstained_absent", "absent_auc",
    "n_spectra", "n_compounds", "n_groups", "gain@1", "twin_of", "reliability",
)  # fmt: skip
COLUMNS = (
    "protocol", "method", "spectra", "hit@1", "random", "blind", "shuffled", "lift@1", "bits", "ECE",
    "surer half",
)  # fmt: skip


def collect(reports: Sequence[Mapping[str, Any]], stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The content of metrics.json. A later report of a protocol adds methods and replaces equal ones.

    `stored`: protocols that the file has already.
    """
    protocols: dict[str, dict[str, Any]] = {name: dict(rows) for name, rows in stored.items()}
    for report in reports:
        with_references = "references" if report["references"] else "no references"
        rows = protocols.setdefault(f"{report['protocol']}, {with_references}", {})
        for method, row in report["methods"].items():
            kept = {name: row[name] for name in METRICS if row.get(name) not in (None, [])}
            rows[method] = kept | {"ci95": {name: row["ci95"][name] for name in kept if name in row["ci95"]}}
    first = reports[0]
    return {"spectra": first["spectra"], "library": first["library"], "protocols": protocols}


def card_table(metrics: Mapping[str, Any]) -> str:
    """Markdown, one row per protocol and method, in percent."""
    rows = [
        [protocol, method, f"{row['n_spectra']:,}", *_cells(row)]
        for protocol, methods in metrics["protocols"].items()
        for method, row in methods.items()
    ]
    return table(COLUMNS, rows)


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        _percent(row, "hit@1", interval=True),
        _percent(row, "random_hit@1"),
        _percent(row, "blind_hit@1"),
        _percent(row, "shuffled_hit@1"),
        _percent(row, "lift@1", interval=True),
        _bits(row),
        _percent(row, "ece"),
        _percent(row, "accuracy@50%"),
    ]


def _percent(row: Mapping[str, Any], name: str, *, interval: bool = False) -> str:
    if name not in row:
        return "–"
    text = f"{100 * row[name]:.1f}"
    if interval and name in row["ci95"]:
        low, high = row["ci95"][name]
        text += f" ({100 * low:.1f}–{100 * high:.1f})"
    return text


def _bits(row: Mapping[str, Any]) -> str:
    if "information_bits" not in row:
        return "–"
    low, high = row["ci95"]["information_bits"]
    return f"{row['information_bits']:.2f} ({low:.2f}–{high:.2f})"
