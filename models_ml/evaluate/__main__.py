"""Command line: measures methods on a file of spectra with known structures against a candidate library."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from models_ml.evaluate.methods import METHODS
from models_ml.evaluate.report import PROTOCOL_PPM, Task, evaluate

DEFAULT_CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "glmr-0.1"
SHOWN = ("hit@1", "hit@5", "hit@20", "mrr", "coverage@40", "tanimoto@1", "random_hit@1", "blind_hit@1",
         "shuffled_hit@1", "lift@1")  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    methods = args.method.split(",")
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise SystemExit(f"No method named {', '.join(unknown)}; there are {', '.join(METHODS)}.")
    if args.threads:
        torch.set_num_threads(args.threads)
    report = evaluate(
        Task(
            spectra=args.spectra,
            library=args.library,
            checkpoint=args.checkpoint,
            protocol=args.protocol,
            methods=methods,
            blind=args.blind,
            limit=args.limit,
            seed=args.seed,
            device=args.device,
            cache=args.cache,
        )
    )
    args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(markdown(report))


def markdown(report: dict[str, Any]) -> str:
    """A table, one method a row, with the 95 % interval of hit@1."""
    lines = [
        f"Protocol `{report['protocol']}`, {report['spectra']} against {report['library']} "
        f"({report['n_library']:,} structures)",
        "",
        "| method | n | " + " | ".join(SHOWN) + " |",
        "|---|---" + "|---" * len(SHOWN) + "|",
    ]
    for method, figures in report["methods"].items():
        cells = [f"{figures[name]:.3f}" if name in figures else "–" for name in SHOWN]
        low, high = figures["ci95"]["hit@1"]
        cells[0] += f" ({low:.3f}–{high:.3f})"
        lines.append(f"| {method} | {figures['n_spectra']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models_ml.evaluate", description=__doc__)
    parser.add_argument("--spectra", type=Path, required=True, help="spectra that name their structures")
    parser.add_argument("--library", type=Path, required=True, help="candidate structures")
    parser.add_argument("--protocol", choices=sorted(PROTOCOL_PPM), default="precursor")
    parser.add_argument("--method", default="random,retrieval,glmr", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--blind", type=Path, help="checkpoint of the twin trained without peaks")
    parser.add_argument("--limit", type=int, help="so many spectra, drawn evenly over compounds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder that keeps the standardised library")
    parser.add_argument("--out", type=Path, required=True, help="the report, JSON")
    return parser


if __name__ == "__main__":
    main()
