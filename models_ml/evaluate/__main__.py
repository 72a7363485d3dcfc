"""Command line: measures methods on spectra of known molecules, in a library or in MassSpecGym's lists."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from models_ml.checkpoint_info import TWIN_FOLDER, BrokenCheckpoint
from models_ml.evaluate.library import file_sha256
from models_ml.evaluate.massspecgym import read_gym
from models_ml.evaluate.methods.bench import Unavailable
from models_ml.evaluate.methods.registry import BLIND, METHODS, NEED_FOLDER, NEED_REFERENCES
from models_ml.evaluate.protocols import PROTOCOLS
from models_ml.evaluate.reports import plot
from models_ml.evaluate.reports.markdown import markdown
from models_ml.evaluate.reports.report import Options, Setting, evaluate, protocol_setting
from models_ml.inference.checkpoint import GlmrModel, load_checkpoint

DEFAULT_CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "glmr-0.6"
GYM = "massspecgym"


def main(arguments: list[str] | None = None) -> None:
    given = sys.argv[1:] if arguments is None else arguments
    is_gym = given[:1] == [GYM]
    args = _gym_parser().parse_args(given[1:]) if is_gym else _parser().parse_args(given)
    options = _options(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        model = load_checkpoint(options.checkpoint, device=options.device)
        setting = _gym_setting(args, options, model) if is_gym else _setting(args, options, model)
        report = evaluate(setting, options, model)
    except (BrokenCheckpoint, Unavailable, ValueError, OSError) as error:
        raise SystemExit(f"The evaluation ended: {error}") from error
    write(report, args.out)


def write(report: dict[str, Any], out: Path) -> None:
    """JSON to `out`; beside it a table (.md) and, with matplotlib, a plot (.png)."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = markdown(report)
    out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    try:
        plot.draw(report, out.with_suffix(".png"))
    except ImportError:
        print(plot.MISSING)


def _setting(args: argparse.Namespace, options: Options, model: GlmrModel) -> Setting:
    return protocol_setting(args.spectra, args.library, args.protocol, args.val, options, model)


def _gym_setting(args: argparse.Namespace, options: Options, model: GlmrModel) -> Setting:
    gym = read_gym(
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
    about = {
        "protocol": GYM,
        "candidates": "MassSpecGym's own list of each molecule",
        "spectra": args.spectra.name,
        "spectra_sha256": file_sha256(args.spectra),
        "library": args.candidates.name,
        "library_sha256": file_sha256(args.candidates),
        "fold": args.fold,
        "val": args.val_fold,
        "n_without_list": gym.n_without_list,
        "n_truth_unlisted": gym.n_truth_unlisted,
    }
    return Setting(gym.cases, gym.val, gym.library, about)


def _options(args: argparse.Namespace) -> Options:
    """Raises SystemExit for a method that is unknown or lacks its references, before anything slow begins."""
    methods = args.method.split(",")
    unknown = [method for method in methods if method not in METHODS and method != BLIND]
    if unknown:
        raise SystemExit(f"No method named {', '.join(unknown)}; there are {', '.join([*METHODS, BLIND])}.")
    lacking = [method for method in methods if method in NEED_REFERENCES and args.references is None]
    if lacking:
        raise SystemExit(f"{', '.join(lacking)} need reference spectra: name a file with --references.")
    folders = _folders(args.baseline)
    homeless = [method for method in methods if method in NEED_FOLDER and method not in folders]
    if homeless:
        raise SystemExit(f"{', '.join(homeless)}: name the folder of its heads with --baseline NAME=FOLDER.")
    has_twin = args.blind is not None or (args.checkpoint / TWIN_FOLDER).is_dir()
    if BLIND in methods and not has_twin:
        raise SystemExit(
            "The row blind needs the twin trained without peaks: name its checkpoint with --blind."
        )
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


def _folders(named: Sequence[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for one in named:
        name, separator, folder = one.partition("=")
        if not separator:
            raise SystemExit(f"--baseline {one!r} must be written NAME=FOLDER.")
        folders[name] = Path(folder)
    return folders


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models_ml.evaluate",
        description=__doc__,
        epilog=f"MassSpecGym's own files: python -m models_ml.evaluate {GYM} --help",
    )
    parser.add_argument("--spectra", type=Path, required=True, help="spectra that name their structures")
    parser.add_argument("--library", type=Path, required=True, help="candidate structures")
    parser.add_argument("--protocol", choices=list(PROTOCOLS), default="precursor")
    parser.add_argument("--val", type=Path, help="spectra of other compounds, to fit temperatures on")
    _add_shared(parser)
    return parser


def _gym_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m models_ml.evaluate {GYM}", description="Measures methods on MassSpecGym's own files."
    )
    parser.add_argument("--spectra", type=Path, required=True, help="MassSpecGym's TSV, or a spectrum file")
    parser.add_argument("--candidates", type=Path, required=True, help="candidate lists, JSON")
    parser.add_argument("--split", type=Path, help="folds of a spectrum file, TSV of identifier and fold")
    parser.add_argument("--fold", help="evaluate this fold alone, such as test")
    parser.add_argument("--val-fold", help="the fold to fit temperatures on, such as val")
    _add_shared(parser)
    return parser


def _add_shared(parser: argparse.ArgumentParser) -> None:
    names = ", ".join([*METHODS, BLIND])
    parser.add_argument(
        "--method", default="random,retrieval,glmr,fused", help=f"comma-separated, of {names}"
    )
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--blind", type=Path, help="checkpoint of the twin trained without peaks")
    parser.add_argument("--references", type=Path, help="spectra with structures, for analogs and neighbours")
    parser.add_argument("--train", type=Path, help="training spectra, for strata by the nearest of them")
    parser.add_argument(
        "--baseline", action="append", default=[], metavar="NAME=FOLDER", help="model of a trained baseline"
    )
    parser.add_argument("--limit", type=int, help="so many spectra, drawn evenly over compounds")
    parser.add_argument("--val-limit", type=int, default=1000)
    parser.add_argument(
        "--mces-limit", type=int, default=60, help="distances are slow: so many pairs a method; 0: none"
    )
    parser.add_argument(
        "--absent-limit", type=int, default=500, help="so many spectra again without their truth; 0: none"
    )
    parser.add_argument(
        "--keep-temperatures", action="store_true", help="write those fitted on --val into the checkpoint"
    )
    parser.add_argument("--n-candidates", type=int, default=40, help="K of the pre-retrieval")
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder that keeps library, embeddings, references, MCES")
    parser.add_argument("--out", type=Path, required=True, help="the report, JSON; .md and .png beside it")


if __name__ == "__main__":
    main()
