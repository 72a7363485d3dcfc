"""The command `formulas`: how often the right molecular formula comes first, without a library."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from models_ml.evaluate.cases import read_cases
from models_ml.evaluate.commands.arguments import program
from models_ml.evaluate.library import file_sha256
from models_ml.evaluate.reports.formula_markdown import formula_markdown
from models_ml.evaluate.reports.formulas import formula_report
from models_ml.formulas.model import PARAMETERS_FILE, BrokenFormulaParameters, load_formula_model


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(arguments)
    try:
        model = load_formula_model(args.parameters)
        cases = read_cases(args.spectra, limit=args.limit, seed=args.seed)
        val = read_cases(args.val, limit=args.val_limit, seed=args.seed) if args.val else []
        report = {
            "spectra": args.spectra.name,
            "spectra_sha256": file_sha256(args.spectra),
            "parameters_sha256": file_sha256(args.parameters),
            "limit": args.limit,
            "val": args.val.name if args.val else None,
            "seed": args.seed,
        } | formula_report(cases, model, tolerance_ppm=args.tolerance_ppm, seed=args.seed, val=val)
    except (BrokenFormulaParameters, ValueError, OSError) as error:
        raise SystemExit(f"The evaluation failed: {error}") from error
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = formula_markdown(report)
    args.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("formulas"),
        description="Measures how often the right molecular formula comes first. Needs no library.",
    )
    parser.add_argument("--spectra", type=Path, required=True, help="spectra with their structures")
    parser.add_argument(
        "--parameters", type=Path, default=PARAMETERS_FILE, help="of `training formulas`, JSON"
    )
    parser.add_argument(
        "--val",
        type=Path,
        help="spectra of other compounds: also report the calibration error after a fit on them",
    )
    parser.add_argument("--val-limit", type=int, default=1000, help="maximum number of validation spectra")
    parser.add_argument("--tolerance-ppm", type=float, default=10.0, help="of the precursor")
    parser.add_argument(
        "--limit", type=int, help="maximum number of spectra, drawn evenly over compounds; by default all"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="the report, JSON; a table (.md) next to it")
    return parser
