"""The report as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RANKS = (
    "hit@1",
    "hit@5",
    "hit@20",
    "mrr",
    "coverage@20",
    "coverage@40",
    "tanimoto@1",
    "mces@1",
    "mean_candidates",
)
CONTROLS = ("hit@1", "random_hit@1", "blind_hit@1", "shuffled_hit@1", "lift@1", "information_bits")
CONFIDENCE = (
    "ece",
    "ece_close",
    "accuracy@50%",
    "abstained",
    "abstained_right",
    "abstained_absent",
    "absent_auc",
)
WITH_INTERVAL = ("hit@1", "lift@1", "information_bits")


def markdown(report: Mapping[str, Any]) -> str:
    """Ranks, controls, confidence, means over compounds, strata of the main method, and missing metrics."""
    methods = report["methods"]
    first = next(iter(methods.values()))
    parts = [
        f"# Evaluation: {report['protocol']}",
        f"{first['n_spectra']:,} spectra of {first['n_compounds']:,} compounds from `{report['spectra']}` "
        f"against `{report['library']}` ({report['n_library']:,} structures): {report['candidates']}. "
        f"Checkpoint `{report['checkpoint']['name']}`, {_twin(report)}, {_references(report)}, "
        f"seed {report['seed']}. Shuffled control: {report['shuffled_within_10_ppm']:,} peak lists come "
        "from a precursor within 10 ppm. Values are shares, with 95 % bootstrap intervals over compounds.",
        _section("Ranks", methods, RANKS),
        _section("Controls", methods, CONTROLS),
        _section("Confidence", methods, CONFIDENCE),
        _section("Means over compounds", {name: row["macro"] for name, row in methods.items()}, RANKS[:7]),
        _differences(report["differences"]),
        _strata(report),
        _notes(methods),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def grouped_markdown(report: Mapping[str, Any]) -> str:
    """The report of groups: both rows of each method, and the gain by number of members."""
    methods = report["methods"]
    first = next(iter(methods.values()))
    sizes = ", ".join(f"{n:,} of {size}" for size, n in report["n_members"].items())
    parts = [
        f"# Evaluation: {report['protocol']}",
        f"{first['n_groups']:,} groups ({first['n_spectra']:,} spectra, {first['n_compounds']:,} compounds) "
        f"from `{report['spectra']}`, by {report['grouped_by']}, against `{report['library']}` "
        f"({report['n_library']:,} structures): {report['candidates']}. Members: {sizes}. "
        f"Checkpoint `{report['checkpoint']['name']}`, {_twin(report)}, {_references(report)}, "
        f"seed {report['seed']}. Every group counts once: a row of single spectra has the mean of each "
        "group. Values are shares, with 95 % bootstrap intervals over compounds.",
        _section("Ranks", methods, RANKS),
        _section("Controls", methods, CONTROLS),
        _section("Confidence", methods, CONFIDENCE),
        *(_gains(name, strata) for name, strata in report["differences"].items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _gains(method: str, strata: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            name,
            f"{row['n_groups']:,}",
            f"{row['hit@1']:.3f}",
            f"{row['single_hit@1']:.3f}",
            f"{row['difference']:+.3f} ({row['ci95'][0]:+.3f} to {row['ci95'][1]:+.3f})",
            f"{row['ece']:.3f}",
        ]
        for name, row in strata.items()
    ]
    header = ["members", "groups", "hit@1", "mean of single spectra", "difference", "ECE"]
    return f"## `{method}` by number of members\n\n" + table(header, rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _section(title: str, methods: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str:
    shown = [name for name in names if any(row.get(name) is not None for row in methods.values())]
    if not shown:
        return ""
    rows = [[method, *(_cell(row, name) for name in shown)] for method, row in methods.items()]
    return f"## {title}\n\n" + table(["method", *shown], rows)


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    text = f"{value:.3f}"
    if name in WITH_INTERVAL and name in row.get("ci95", {}):
        low, high = row["ci95"][name]
        text += f" ({low:.3f}–{high:.3f})"
    return text


def _differences(differences: Mapping[str, Any]) -> str:
    if not differences:
        return ""
    rows = [
        [name, f"{row['hit@1']:+.3f} ({row['ci95'][0]:+.3f} to {row['ci95'][1]:+.3f})"]
        for name, row in differences.items()
    ]
    return "## Differences in hit@1, paired by spectrum\n\n" + table(["methods", "difference"], rows)


def _strata(report: Mapping[str, Any]) -> str:
    method = (
        report["main_method"] if report["main_method"] in report["methods"] else next(iter(report["methods"]))
    )
    rows = [
        [property_name, name, f"{row['n_spectra']:,}", f"{row['n_compounds']:,}", *_hits(row)]
        for property_name, strata in report["methods"][method]["strata"].items()
        for name, row in strata.items()
    ]
    return f"## Strata of `{method}`\n\n" + table(
        ["property", "stratum", "spectra", "compounds", "hit@1", "blind hit@1"], rows
    )


def _hits(row: Mapping[str, Any]) -> list[str]:
    blind = row["blind_hit@1"]
    return [f"{row['hit@1']:.3f}", "–" if blind is None else f"{blind:.3f}"]


def _notes(methods: Mapping[str, Mapping[str, Any]]) -> str:
    reasons: dict[str, list[str]] = {}
    for method, row in methods.items():
        for metric, reason in row["notes"].items():
            reasons.setdefault(f"`{metric}`: {reason}", []).append(method)
    lines = [f"- {text} ({', '.join(names)})" for text, names in reasons.items()]
    return "## Missing\n\n" + "\n".join(lines) if lines else ""


def _twin(report: Mapping[str, Any]) -> str:
    twin = report["blind_checkpoint"]
    return f"blind twin `{twin['name']}`" if twin else "no blind twin"


def _references(report: Mapping[str, Any]) -> str:
    references = report["references"]
    if not references:
        return "no reference spectra"
    return (
        f"{references['n_used']:,} reference spectra from `{references['file']}` "
        f"({references['n_excluded']:,} of evaluated compounds are left out)"
    )
