"""The report of the command `formulas` as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models_ml.evaluate.reports.markdown import table


def formula_markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown tables."""
    head = (
        f"{report['n_spectra']:,} spectra of {report['n_compounds']:,} compounds from `{report['spectra']}`; "
        f"tolerance {report['tolerance_ppm']:g} ppm; precursors are theoretical with a simulated error of "
        f"{report['precursor_error_ppm']:g} ppm (standard deviation). "
        "Intervals: 95 %, by bootstrap over compounds. "
        f"Median {report['n_formulas']['median']:,.0f} formulas; "
        f"{report['milliseconds_per_spectrum']['median']:.1f} ms per spectrum (median). "
        f"The right formula is not listed for {report['not_listed']['all']:.1%} of the spectra."
    )
    errors = (
        {"ece": "ECE", "ece_val": "ECE, calibrated on --val"} if report["n_val_spectra"] else {"ece": "ECE"}
    )
    rows = [
        [
            name,
            f"{row['hit@1']:.1%} ({row['ci95']['hit@1'][0]:.1%} to {row['ci95']['hit@1'][1]:.1%})",
            f"{row['hit@3']:.1%}",
            f"{row['hit@10']:.1%}",
            *(f"{row[column]:.3f}" if column in row else "" for column in errors),
        ]
        for name, row in report["methods"].items()
    ]
    parts = [
        "# Molecular formulas",
        head,
        table(["Method", "hit@1", "hit@3", "hit@10", *errors.values()], rows),
    ]
    for property_name, strata in report["strata"].items():
        names = [name for name in next(iter(strata.values())) if not name.startswith("n_")]
        body = [
            [
                value,
                *(f"{row[name]:.1%}" for name in names),
                f"{row['n_spectra']:,}",
                f"{row['n_compounds']:,}",
            ]
            for value, row in strata.items()
        ]
        parts.append(table([property_name, *names, "spectra", "compounds"], body))
    return "\n\n".join(parts) + "\n"
