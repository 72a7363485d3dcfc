"""The command `generation`: measures the generated molecules, without constraints and with each of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from models_ml.checkpoint_info import BrokenCheckpoint
from models_ml.evaluate.cases import Case, read_cases
from models_ml.evaluate.commands.arguments import add_model_arguments, program, set_threads
from models_ml.evaluate.library import Library, read_library
from models_ml.evaluate.measures.mces import MCESDistances
from models_ml.evaluate.protocols import with_candidates, without_truth
from models_ml.evaluate.reports.generation import generation_report, table
from models_ml.inference.checkpoint import load_checkpoint
from models_ml.outcomes import AnnotateParams


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(arguments)
    set_threads(args.threads)
    params = AnnotateParams(method="glmr", beam_size=args.beam_size, seed=args.seed)
    try:
        model = load_checkpoint(args.checkpoint, device=args.device)
        library = read_library(args.library, seed=args.seed, cache=args.cache)
        cases = _read_cases(args, library, params, max_peaks=model.network.config.max_peaks)
        report = {
            "spectra": args.spectra.name,
            "library": args.library.name,
            "checkpoint": {"name": model.name, "sha256": model.sha256},
            "n_spectra": len(cases),
            "without_truth": args.without_truth,
            "limit": args.limit,
            "seed": args.seed,
        } | generation_report(
            cases,
            model,
            library,
            params,
            strengths=args.mass,
            cache=args.cache,
            distances=MCESDistances(args.cache / "mces.json" if args.cache else None),
            mces_limit=args.mces_limit,
        )
    except (BrokenCheckpoint, ValueError, OSError) as error:
        raise SystemExit(f"The evaluation failed: {error}") from error
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table(report))


def _read_cases(
    args: argparse.Namespace, library: Library, params: AnnotateParams, *, max_peaks: int
) -> list[Case]:
    """Cases that have candidates. Raises ValueError if there are none."""
    cases = read_cases(args.spectra, limit=args.limit, seed=args.seed)
    cases = with_candidates(cases, library, "precursor", params, max_peaks=max_peaks)
    if args.without_truth:
        cases = without_truth(cases, library)
    cases = [case for case in cases if len(case.keys)]
    if not cases:
        raise ValueError(
            f"no spectrum of {args.spectra} has both a structure and candidates in {args.library}. "
            "Give spectra with SMILES, and a library that has molecules of their mass."
        )
    return cases


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("generation"),
        description="Measures the generated molecules, without constraints and with each of them.",
    )
    parser.add_argument("--spectra", type=Path, required=True, help="spectra with their structures")
    parser.add_argument("--library", type=Path, required=True, help="candidate structures")
    parser.add_argument(
        "--mass", type=float, nargs="+", default=[1.0], help="strengths of the mass constraint"
    )
    parser.add_argument(
        "--without-truth", action="store_true", help="delete the truth from the candidates of each spectrum"
    )
    parser.add_argument("--out", type=Path, required=True, help="the report, JSON")
    add_model_arguments(parser)
    return parser
