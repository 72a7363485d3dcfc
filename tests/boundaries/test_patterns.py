"""Every regular expression that can meet user text in a web process needs linear time.

Patterns that read files, of spectra or of structures, run in child processes with a limit on processor time.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("annotation", "glmr_server")
# Private modules: the only way to see how Python understands a pattern.
codes: Any = import_module("re._constants")
parser: Any = import_module("re._parser")
FUNCTIONS = ("compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer")
UNBOUNDED = codes.MAXREPEAT
# Where a quadratic pattern needs 50 million steps, a linear one needs 10,000.
N_CHARACTERS = 10_000
BOUND_S = 0.1


def patterns() -> Iterator[tuple[str, str | bytes, int]]:
    """File and line, pattern and flags of each literal pattern."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and _is_pattern(node.func) and node.args:
                    literal = node.args[0]
                    if isinstance(literal, ast.Constant) and isinstance(literal.value, str | bytes):
                        where = f"{file.relative_to(ROOT)}:{node.lineno}"
                        flags = re.IGNORECASE if "IGNORECASE" in ast.unparse(node) else 0
                        yield where, literal.value, int(flags)


def _is_pattern(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in FUNCTIONS
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
    )


FOUND = list(patterns())


def nested_quantifiers(items: Any, inside: bool = False) -> bool:
    """Whether an unbounded quantifier is inside another one or inside a look-around."""
    for code, value in items:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            unbounded = value[1] == UNBOUNDED
            if (unbounded and inside) or nested_quantifiers(value[2], inside or unbounded):
                return True
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            if nested_quantifiers(value[1], inside=True):
                return True
        elif code == codes.SUBPATTERN:
            if nested_quantifiers(value[3], inside):
                return True
        elif code == codes.BRANCH and any(nested_quantifiers(branch, inside) for branch in value[1]):
            return True
    return False


def characters(items: Any) -> set[str]:
    """Some characters that the pattern knows: its literals, and one of each class."""
    examples = {codes.CATEGORY_DIGIT: "7", codes.CATEGORY_WORD: "a", codes.CATEGORY_SPACE: " "}
    found: set[str] = set()
    for code, value in items:
        if code in (codes.LITERAL, codes.NOT_LITERAL):
            found.add(chr(value))
        elif code == codes.RANGE:
            found.add(chr(value[0]))
        elif code == codes.CATEGORY:
            found.add(examples.get(value, "!"))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            nested = value if code != codes.BRANCH else value[1]
            for part in nested if code != codes.IN else [value]:
                if isinstance(part, parser.SubPattern | list) and part:
                    found |= characters(part)
    return found


@pytest.mark.parametrize(("where", "pattern", "flags"), FOUND, ids=[where for where, _, _ in FOUND])
def test_pattern_takes_linear_time(where: str, pattern: str | bytes, flags: int) -> None:
    parsed = parser.parse(pattern, flags)
    assert not nested_quantifiers(parsed), f"{where}: write it so that no repeat is inside another"
    alphabet = sorted(characters(parsed))[:5] or ["a"]
    compiled = re.compile(pattern, flags)
    for pump in {"".join(pair) for pair in product(alphabet, repeat=2)}:
        text = pump * (N_CHARACTERS // 2) + "\x01"
        started = time.thread_time()
        compiled.search(text if isinstance(pattern, str) else text.encode())  # type: ignore[arg-type]
        assert time.thread_time() - started < BOUND_S, f"{where}: slow on {pump!r} repeated"


def test_the_check_finds_bad_patterns() -> None:
    assert len(FOUND) > 3
    for bad in (r"(a+)+", r"(?=[a:]*\d)a", r"(?:x|(\d+))*"):
        assert nested_quantifiers(parser.parse(bad)), bad
    for good in (r"a+b+", r"(?:ab){1,9}", r"(?<!a)b*"):
        assert not nested_quantifiers(parser.parse(good)), good
