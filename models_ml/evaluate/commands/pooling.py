"""The command `pooling`: compares rules that pool the spectra of a feature. It chose the rule in use."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models_ml.checkpoint_info import BrokenCheckpoint
from models_ml.evaluate.commands.arguments import add_model_arguments, program, set_threads
from models_ml.evaluate.reports.evaluation import Options, read_data
from models_ml.evaluate.reports.pooling import compare_rules
from models_ml.inference.checkpoint import load_checkpoint


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(arguments)
    options = Options(
        checkpoint=args.checkpoint,
        methods=(),
        references=args.references,
        limit=args.limit,
        beam_size=args.beam_size,
        seed=args.seed,
        device=args.device,
        cache=args.cache,
    )
    set_threads(args.threads)
    try:
        model = load_checkpoint(options.checkpoint, device=options.device)
        data = read_data(args.spectra, args.library, "precursor", None, options, model)
        print(compare_rules(data, options, model))
    except (BrokenCheckpoint, ValueError, OSError) as error:
        raise SystemExit(f"The comparison failed: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("pooling"),
        description="Compares rules that pool the spectra of one ion. Use validation spectra.",
    )
    parser.add_argument("--spectra", type=Path, required=True, help="spectra with their structures")
    parser.add_argument("--library", type=Path, required=True, help="candidate structures")
    parser.add_argument("--references", type=Path, help="spectra with structures, for analogs")
    add_model_arguments(parser)
    return parser
