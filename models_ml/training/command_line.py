"""From the command line to settings to the function that does the work.

Options are read by tyro, from the fields of the settings class. Where tyro is not installed, as on a bare GPU
machine, `--settings FILE` reads the same settings from JSON with the standard library.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar, get_args

from models_ml.training.settings import (
    BaselineSettings,
    ContrastiveSettings,
    FormulasSettings,
    GenerativeSettings,
    PackSettings,
    PrepareSettings,
    PretrainSettings,
    RankingSettings,
    Settings,
    SimulateSettings,
    UnpackSettings,
)
from models_ml.training.settings_file import BadSettings, read_settings

PROGRAM = "python -m models_ml.training"
COMMANDS: dict[str, type[Settings]] = {
    settings_class.command: settings_class for settings_class in get_args(Settings)
}

S = TypeVar("S")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        run_command(read_options(COMMANDS[parsed.command], parsed.options, f"{PROGRAM} {parsed.command}"))
    except BadSettings as error:
        parser.error(str(error))


def read_options(settings_class: type[S], options: Sequence[str], program: str) -> S:
    """`--settings FILE` gives the settings; other options replace those of the file. Exits on a wrong option.

    Raises BadSettings if the file is wrong, or if options are given and tyro is not installed.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings", type=Path)
    known, others = parser.parse_known_args(options)
    if known.settings is None:
        return _read_with_tyro(settings_class, others, program, default=None)
    from_file = read_settings(known.settings, settings_class)
    return _read_with_tyro(settings_class, others, program, default=from_file) if others else from_file


def _read_with_tyro(settings_class: type[S], options: Sequence[str], program: str, default: S | None) -> S:
    try:
        import tyro
    except ImportError:
        raise BadSettings(
            "tyro is not installed, and it reads the options. Install it (pip install tyro), or write all "
            f"settings to a JSON file and call: {program} --settings FILE"
        ) from None
    description = f"{settings_class.__doc__}\n\n--settings FILE reads these options from JSON."
    if default is None:
        return tyro.cli(settings_class, prog=program, description=description, args=options)
    return tyro.cli(settings_class, prog=program, description=description, args=options, default=default)


def run_command(settings: Settings) -> None:
    # Imported late: preparing needs RDKit and no torch, a stage needs torch and no RDKit.
    match settings:
        case PrepareSettings():
            from models_ml.training.prepare import prepare

            prepare(settings)
        case PretrainSettings():
            from models_ml.training.pretrain import run_pretrain

            run_pretrain(settings)
        case ContrastiveSettings():
            from models_ml.training.contrastive.stage import run_contrastive

            run_contrastive(settings)
        case GenerativeSettings():
            from models_ml.training.generative.stage import run_generative

            run_generative(settings)
        case RankingSettings():
            from models_ml.training.ranking.stage import train_ranking

            train_ranking(settings)
        case BaselineSettings():
            from models_ml.training.ranking.baseline import train_baseline

            train_baseline(settings)
        case FormulasSettings():
            from models_ml.training.formulas.stage import train_formulas

            train_formulas(settings)
        case SimulateSettings():
            from models_ml.training.simulate import simulate

            simulate(settings)
        case UnpackSettings():
            from models_ml.training.unpack import unpack

            unpack(settings)
        case PackSettings():
            from models_ml.training.pack import pack

            pack(settings)


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<12} {found.__doc__}" for name, found in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Prepare data, train the networks stage by stage, and pack a checkpoint.",
        epilog=f"commands:\n{commands}\n\nThe options of a command: {PROGRAM} COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="...", help="options of the command")
    return parser
