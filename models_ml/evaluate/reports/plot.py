"""The report as a plot: hit@1 of each method and its controls, and a reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MISSING = "No plot: matplotlib is not installed. Install it from requirements/dev.lock."
# hit@1, the blind twin, the shuffled control, chance: colours of Okabe and Ito, safe for colour blindness.
BARS = {
    "hit@1": "#0072B2",
    "blind_hit@1": "#E69F00",
    "shuffled_hit@1": "#CC79A7",
    "random_hit@1": "#999999",
}


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Write a PNG. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (hits, reliability) = pyplot.subplots(
        1, 2, figsize=(13, 5), width_ratios=(2, 1), layout="constrained"
    )
    _draw_hits(hits, report)
    _draw_reliability(reliability, report)
    figure.suptitle(f"{report['protocol']}: {report['spectra']} against {report['library']}")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw_hits(axes: Any, report: Mapping[str, Any]) -> None:
    methods = report["methods"]
    bars = {
        name: colour
        for name, colour in BARS.items()
        if any(row.get(name) is not None for row in methods.values())
    }
    width = 0.8 / len(bars)
    for number, (name, colour) in enumerate(bars.items()):
        shown = [(index, row) for index, row in enumerate(methods.values()) if row.get(name) is not None]
        heights = [row[name] for _, row in shown]
        intervals = [row["ci95"][name] for _, row in shown]
        errors = [
            [max(height - low, 0) for height, (low, _) in zip(heights, intervals, strict=True)],
            [max(high - height, 0) for height, (_, high) in zip(heights, intervals, strict=True)],
        ]
        positions = [index + (number - (len(bars) - 1) / 2) * width for index, _ in shown]
        axes.bar(positions, heights, width, yerr=errors, capsize=2, color=colour, label=name)
    axes.set_xticks(range(len(methods)), list(methods))
    axes.set_ylabel("hit@1, 95 % interval over compounds")
    axes.set_ylim(0, 1)
    axes.legend()


def _draw_reliability(axes: Any, report: Mapping[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":")
    for method, row in report["methods"].items():
        bins = row["reliability"]
        if bins and method != "random":
            points = [bin_["confidence"] for bin_ in bins], [bin_["accuracy"] for bin_ in bins]
            axes.plot(*points, marker="o", markersize=3, label=f"{method} (ECE {row['ece']:.3f})")
    axes.set_xlabel("stated probability of the first candidate")
    axes.set_ylabel("share of right answers")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
