"""The commands `compare` and `massspecgym`: compare ranking methods, and write a report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models_ml.checkpoint_info import TWIN_FOLDER, BrokenCheckpoint
from models_ml.evaluate.commands.arguments import add_model_arguments, program, set_threads
from models_ml.evaluate.groups import GROUPED_BY, draw_compounds
from models_ml.evaluate.library import file_sha256
from models_ml.evaluate.massspecgym import read_massspecgym
from models_ml.evaluate.methods.context import MethodUnavailable
from models_ml.evaluate.methods.registry import BLIND, FUSED, METHODS, NEED_FOLDER, NEED_REFERENCES
from models_ml.evaluate.protocols import PROTOCOLS
from models_ml.evaluate.reports import plot
from models_ml.evaluate.reports.evaluation import EvaluationData, Options, evaluate, read_data
from models_ml.evaluate.reports.grouped import evaluate_groups
from models_ml.evaluate.reports.markdown import grouped_markdown, markdown
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint

COMPARE, MASSSPECGYM = "compare", "massspecgym"
DEFAULT_METHODS = "random,retrieval,glmr,fused"

ReadData = Callable[[argparse.Namespace, Options, GlmrModel], EvaluationData]


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(arguments)
    if args.group:
        _run_groups(args)
    else:
        _run(args, _read_own)


def main_massspecgym(arguments: Sequence[str]) -> None:
    _run(_massspecgym_parser().parse_args(arguments), _read_massspecgym)


def _run(args: argparse.Namespace, read: ReadData) -> None:
    options = _options(args)
    set_threads(args.threads)
    try:
        model = load_checkpoint(options.checkpoint, device=options.device)
        report = evaluate(read(args, options, model), options, model)
    except (BrokenCheckpoint, MethodUnavailable, ValueError, OSError) as error:
        raise SystemExit(f"The evaluation failed: {error}") from error
    _write(report, args.out)


def _run_groups(args: argparse.Namespace) -> None:
    """Groups have their own report, of `fused` only."""
    if args.method not in (DEFAULT_METHODS, FUSED):
        raise SystemExit(f"--group evaluates the method {FUSED} only. Leave --method out.")
    if args.val is not None:
        raise SystemExit("--group fits no temperatures: `fused` states probabilities. Leave --val out.")
    args.method = FUSED
    options = _options(args)
    set_threads(args.threads)
    try:
        model = load_checkpoint(options.checkpoint, device=options.device)
        data = read_data(args.spectra, args.library, args.protocol, None, replace(options, limit=None), model)
        if options.limit is not None:
            data = replace(data, cases=draw_compounds(data.cases, options.limit, options.seed))
        report = evaluate_groups(data, options, model)
    except (BrokenCheckpoint, MethodUnavailable, ValueError, OSError) as error:
        raise SystemExit(f"The evaluation failed: {error}") from error
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = grouped_markdown(report)
    args.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def _write(report: dict[str, Any], out: Path) -> None:
    """Write JSON to `out`, a table next to it (.md) and, with matplotlib, a plot (.png)."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = markdown(report)
    out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    try:
        plot.draw(report, out.with_suffix(".png"))
    except ImportError:
        print(plot.MISSING)


def _read_own(args: argparse.Namespace, options: Options, model: GlmrModel) -> EvaluationData:
    return read_data(args.spectra, args.library, args.protocol, args.val, options, model)


def _read_massspecgym(args: argparse.Namespace, options: Options, model: GlmrModel) -> EvaluationData:
    data = read_massspecgym(
        args.spectra,
        args.candidates,
        split=args.split,
        fold=args.fold,
        val_fold=args.val_fold,
        limit=options.limit,
        val_limit=options.val_limit,
        params=options.params,
        max_peaks=model.network.config.max_peaks,
        cache=options.cache,
    )
    source = {
        "protocol": MASSSPECGYM,
        "candidates": "MassSpecGym's own list of each molecule",
        "spectra": args.spectra.name,
        "spectra_sha256": file_sha256(args.spectra),
        "library": args.candidates.name,
        "library_sha256": file_sha256(args.candidates),
        "fold": args.fold,
        "val": args.val_fold,
        "n_without_list": data.n_without_list,
        "n_truth_unlisted": data.n_truth_unlisted,
    }
    return EvaluationData(data.cases, data.val, data.library, source)


def _options(args: argparse.Namespace) -> Options:
    """Raises SystemExit for a method that is unknown or lacks an input, before anything slow begins."""
    methods = args.method.split(",")
    folders = _folders(args.baseline)
    _check_methods(methods, args, folders)
    return Options(
        checkpoint=args.checkpoint,
        methods=methods,
        blind=args.blind,
        references=args.references,
        train=args.train,
        limit=args.limit,
        val_limit=args.val_limit,
        mces_limit=args.mces_limit,
        absent_limit=args.absent_limit,
        n_candidates=args.n_candidates,
        beam_size=args.beam_size,
        seed=args.seed,
        device=args.device,
        cache=args.cache,
        folders=folders,
        keep_temperatures=args.keep_temperatures,
    )


def _check_methods(methods: Sequence[str], args: argparse.Namespace, folders: dict[str, Path]) -> None:
    unknown = [method for method in methods if method not in METHODS and method != BLIND]
    if unknown:
        raise SystemExit(
            f"No method is named {', '.join(unknown)}. The methods are {', '.join([*METHODS, BLIND])}."
        )
    without_references = [
        method for method in methods if method in NEED_REFERENCES and args.references is None
    ]
    if without_references:
        raise SystemExit(
            f"{', '.join(without_references)} need reference spectra: name a file with --references."
        )
    without_folder = [method for method in methods if method in NEED_FOLDER and method not in folders]
    if without_folder:
        raise SystemExit(
            f"{', '.join(without_folder)}: name the folder of its heads with --baseline NAME=FOLDER."
        )
    has_twin = args.blind is not None or (args.checkpoint / TWIN_FOLDER).is_dir()
    if BLIND in methods and not has_twin:
        raise SystemExit(
            f"The method {BLIND} needs the twin trained without peaks: name its checkpoint with --blind."
        )


def _folders(baselines: Sequence[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for baseline in baselines:
        name, separator, folder = baseline.partition("=")
        if not separator:
            raise SystemExit(f"--baseline {baseline!r} must have the form NAME=FOLDER.")
        folders[name] = Path(folder)
    return folders


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program(COMPARE), description="Compares ranking methods on spectra of known molecules."
    )
    parser.add_argument("--spectra", type=Path, required=True, help="spectra with their structures")
    parser.add_argument("--library", type=Path, required=True, help="candidate structures")
    parser.add_argument(
        "--protocol",
        choices=list(PROTOCOLS),
        default="precursor",
        help="; ".join(f"{name}: {candidates}" for name, candidates in PROTOCOLS.items()),
    )
    parser.add_argument("--val", type=Path, help="spectra of other compounds, to fit temperatures on")
    parser.add_argument(
        "--group",
        action="store_true",
        help=f"rank all spectra of the same {GROUPED_BY} together as one feature, and compare with the "
        "mean of the same spectra one by one; --limit then draws whole compounds",
    )
    _add_shared(parser)
    return parser


def _massspecgym_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program(MASSSPECGYM), description="Compares ranking methods on the files of MassSpecGym."
    )
    parser.add_argument("--spectra", type=Path, required=True, help="MassSpecGym's TSV, or a spectrum file")
    parser.add_argument("--candidates", type=Path, required=True, help="candidate lists, JSON")
    parser.add_argument("--split", type=Path, help="folds of a spectrum file, TSV of identifier and fold")
    parser.add_argument("--fold", help="evaluate only this fold, such as test")
    parser.add_argument("--val-fold", help="the fold to fit temperatures on, such as val")
    _add_shared(parser)
    return parser


def _add_shared(parser: argparse.ArgumentParser) -> None:
    names = ", ".join([*METHODS, BLIND])
    parser.add_argument("--method", default=DEFAULT_METHODS, help=f"methods, separated by commas: {names}")
    parser.add_argument("--blind", type=Path, help="checkpoint of the twin trained without peaks")
    parser.add_argument(
        "--references", type=Path, help="spectra with structures, for analogs and nearest spectra"
    )
    parser.add_argument(
        "--train", type=Path, help="training spectra, for strata by the most similar training molecule"
    )
    parser.add_argument(
        "--baseline", action="append", default=[], metavar="NAME=FOLDER", help="model of a trained baseline"
    )
    parser.add_argument("--val-limit", type=int, default=1000, help="maximum number of validation spectra")
    parser.add_argument(
        "--absent-limit",
        type=int,
        default=500,
        help="maximum number of spectra to rank again with their truth deleted; 0: none",
    )
    parser.add_argument(
        "--keep-temperatures",
        action="store_true",
        help="write the temperatures fitted on --val into the checkpoint",
    )
    parser.add_argument(
        "--n-candidates", type=int, default=40, help="number of candidates that retrieval keeps (K)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the report, JSON; .md and .png next to it")
    add_model_arguments(parser)
