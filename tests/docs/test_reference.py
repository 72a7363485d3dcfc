"""The reference pages list what there is, no more and no less."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.urls import get_resolver

from annotation.exports.columns import COLUMNS
from annotation.web import evidence
from glmr_server import serve

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `([^`]+)` \| (.*?) \|", re.MULTILINE)
SIZES = {"GiB": 2**30, "MiB": 2**20}


def first_cells(file: Path) -> list[str]:
    return [match[1] for match in ROW.finditer(file.read_text(encoding="utf-8"))]


# --- Settings ----------------------------------------------------------------------------------------


def variables_in_the_project() -> set[str]:
    """Every GLMR_ variable that the code, the containers or the tests name."""
    files = [
        *(path for folder in ("glmr_server", "annotation", "worker", "models_ml", "tests", "tools")
          for path in (ROOT / folder).rglob("*.py")),
        *(path for path in (ROOT / "docker").rglob("*") if path.is_file()),
        *(ROOT / "requirements").glob("*.sh"),
        ROOT / "Makefile",
        ROOT / ".ci" / "run",
    ]  # fmt: skip
    text = "".join(file.read_text(encoding="utf-8") for file in files if file != Path(__file__))
    return set(re.findall(r"\bGLMR_[A-Z][A-Z_]+[A-Z]\b", text))


def defaults_in_the_code() -> Iterator[tuple[str, Any]]:
    """Variables with a constant default, from calls such as env.flag("GLMR_DEBUG", False)."""
    for file in (ROOT / "glmr_server").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) > 1
            ):
                continue
            name = node.args[0]
            if not (isinstance(name, ast.Constant) and str(name.value).startswith("GLMR_")):
                continue
            source = ast.unparse(node.args[1])
            if re.fullmatch(r"[\d_ *]+|True|False|'[^']*'|\[\]", source):
                yield str(name.value), eval(source)  # noqa: S307, a constant from our source


def as_value(cell: str) -> object:
    text = cell.strip("`")
    if text in ("true", "false"):
        return text == "true"
    if found := re.fullmatch(r"(\d+) (GiB|MiB)", text):
        return int(found[1]) * SIZES[found[2]]
    if text in ("empty", "no mail"):
        return [] if text == "empty" else ""
    return int(text) if text.isdigit() else text


def test_every_variable_is_documented_once_and_exists(docs: Path) -> None:
    documented = first_cells(docs / "reference" / "settings.md")
    assert len(documented) == len(set(documented))
    assert set(documented) == variables_in_the_project()


def test_documented_defaults_are_those_of_the_code(docs: Path) -> None:
    text = (docs / "reference" / "settings.md").read_text(encoding="utf-8")
    documented = {match[1]: as_value(match[2]) for match in ROW.finditer(text)}
    # What a sentence describes, because the default depends on the machine.
    described = {"GLMR_SECRET_KEY", "GLMR_PORT", "GLMR_DATABASE_URL", "GLMR_BROKER_URL"}
    wrong = {
        name: (default, documented[name])
        for name, default in defaults_in_the_code()
        if name not in described and default != documented[name]
    }
    assert wrong == {}


# --- Command line ------------------------------------------------------------------------------------


def test_every_command_is_documented_and_exists(docs: Path) -> None:
    text = (docs / "reference" / "command-line.md").read_text(encoding="utf-8")
    commands = get_commands()
    ours = {name for name, app in commands.items() if app == "annotation"}
    in_table = {cell.split()[1] for cell in first_cells(docs / "reference" / "command-line.md")
                if cell.startswith("manage.py ")}  # fmt: skip
    assert in_table == ours
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(commands)


def test_documented_server_processes_exist(docs: Path) -> None:
    cells = first_cells(docs / "reference" / "command-line.md")
    roles = {cell.split()[-1] for cell in cells if cell.startswith("python -m glmr_server.serve ")}
    assert roles == set(serve.COMMANDS)


def test_documented_make_targets_exist(docs: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    cells = first_cells(docs / "reference" / "command-line.md")
    assert {cell.split()[1] for cell in cells if cell.startswith("make ")} <= targets


# --- Options of manage.py, training and evaluation in all pages ---------------------------------------

COMMAND_LINE = re.compile(r"manage\.py ([a-z_]+)((?:[^\n`]|\\\n)*)")


def test_documented_options_of_commands_exist(docs: Path) -> None:
    from django.core.management import load_command_class

    commands, wrong = get_commands(), []
    for file in [*docs.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for name, rest in COMMAND_LINE.findall(file.read_text(encoding="utf-8")):
            if commands[name] != "annotation":
                continue
            parser = load_command_class("annotation", name).create_parser("manage.py", name)
            known = {option for action in parser._actions for option in action.option_strings}
            wrong += [(file.name, name, option) for option in re.findall(r"(?<=\s)--[a-z-]+", rest)
                      if option not in known]  # fmt: skip
    assert wrong == []


# --- Exports, REST, channels --------------------------------------------------------------------------


def test_every_export_column_is_documented_once(docs: Path) -> None:
    assert sorted(first_cells(docs / "reference" / "export-columns.md")) == sorted(COLUMNS)


def test_every_rest_operation_is_documented(docs: Path) -> None:
    text = (docs / "reference" / "rest.md").read_text(encoding="utf-8")
    documented = {path for _, path in re.findall(r"`(GET|POST) /api/v1/([^`?]+)`", text)}
    in_code = set()
    for pattern in get_resolver("annotation.api.urls").url_patterns:
        in_code.add(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern)).replace("{pk}", "{id}"))
    assert documented == in_code - {"schema", "docs"}


@pytest.mark.parametrize(
    "channel",
    [*evidence.SIMILARITIES, *evidence.FUSED_CHANNELS, *evidence.OPTIONAL_CHANNELS],
    ids=lambda channel: channel.name,
)
def test_the_glossary_defines_every_channel(channel: evidence.Channel, docs: Path) -> None:
    assert f"### Channel: {channel.name}\n" in (docs / "glossary.md").read_text(encoding="utf-8")
