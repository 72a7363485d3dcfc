"""The command `collect`: writes the metrics of reports into a checkpoint, and prints its table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from models_ml.checkpoint_info import METRICS_FILE
from models_ml.evaluate.commands.arguments import program
from models_ml.evaluate.reports.checkpoint_metrics import card_table, collect


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(arguments)
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in args.reports]
    file = args.checkpoint / METRICS_FILE
    stored = json.loads(file.read_text(encoding="utf-8"))["protocols"] if args.add else {}
    metrics = collect(reports, stored)
    file.write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(card_table(metrics))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("collect"),
        description=f"Writes the metrics of reports into {METRICS_FILE} of a checkpoint.",
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help=f"folder that holds {METRICS_FILE}")
    parser.add_argument("--add", action="store_true", help="keep the other metrics that the file has already")
    parser.add_argument("reports", type=Path, nargs="+", help="reports of compare or massspecgym, JSON")
    return parser
