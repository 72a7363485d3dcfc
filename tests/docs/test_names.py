"""Every file and function that the documents name exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools.links import markdown_files

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = (
    "annotation",
    "docker",
    "docs",
    "glmr_server",
    "models_ml",
    "requirements",
    "tests",
    "tools",
    "worker",
)
# `path/to/file.py: function`, `path/to/folder/` and `path/to/file.css`, in backquotes.
PATH = re.compile(
    rf"`((?:{'|'.join(TOP_LEVEL)})/[\w./-]*[\w/]|[A-Z][A-Z_]+\.md|Makefile|pyproject\.toml)(?::\s*(\w+))?`"
)
# A log of the past names files as they were then.
DOCUMENTS = [file for file in markdown_files() if file.name not in ("CHANGELOG.md", "DECISIONS.md")]


def named(file: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2] or "") for match in PATH.finditer(file.read_text(encoding="utf-8"))]


def defined_in(module: Path) -> set[str]:
    names = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_exist(file: Path) -> None:
    wrong = []
    for name, function in named(file):
        path = ROOT / name
        if "NAME" in name or name == "docker/.env":  # the reader creates it
            continue
        if not path.exists() or (function and function not in defined_in(path)):
            wrong.append(f"{name}: {function}" if function else name)
    assert wrong == []


def test_the_table_in_the_readme_is_read() -> None:
    assert len([function for _, function in named(ROOT / "README.md") if function]) > 10
