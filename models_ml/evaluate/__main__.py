"""Command line of the evaluation: passes the arguments to one of the commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from models_ml.evaluate.commands import collect, compare, demonstration, formulas, generation, pooling

COMMANDS: dict[str, tuple[Callable[[Sequence[str]], None], str]] = {
    "compare": (compare.main, "Compare ranking methods on your own spectra. The default command."),
    "massspecgym": (compare.main_massspecgym, "Compare ranking methods on the files of MassSpecGym."),
    "generation": (generation.main, "Measure the generated molecules, with and without each constraint."),
    "pooling": (pooling.main, "Compare rules that pool the spectra of one ion."),
    "formulas": (formulas.main, "Measure how often the right molecular formula comes first."),
    "demonstration": (demonstration.main, "Count the right answers of the demonstration."),
    "collect": (collect.main, "Copy the metrics of reports into a checkpoint."),
}
DEFAULT_COMMAND = "compare"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names. If the first argument is an option: `compare`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        raise SystemExit(0 if arguments else 2)
    if arguments[0].startswith("-"):
        arguments = [DEFAULT_COMMAND, *arguments]
    name, *options = arguments
    if name not in COMMANDS:
        raise SystemExit(f"No command is named {name!r}. The commands are {', '.join(COMMANDS)}.")
    run, _ = COMMANDS[name]
    run(options)


def _usage() -> str:
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:{width}}  {help_text}" for name, (_, help_text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m models_ml.evaluate COMMAND [options]",
            "",
            "Measures ranking methods on spectra of known molecules.",
            "",
            "commands:",
            *lines,
            "",
            "Options of a command: python -m models_ml.evaluate COMMAND --help",
        ]
    )


if __name__ == "__main__":
    main()
