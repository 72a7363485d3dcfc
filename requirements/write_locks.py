"""Writes requirements/*.lock: the exact versions installed here of all that pyproject.toml needs.

What is locked is what was tested. Neither an index nor a path is written, and of torch only its public
version: which build is taken, and so which CUDA packages come along, is the installing machine's choice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FOLDER = Path(__file__).resolve().parent
# File, what it is for, extras of pyproject.toml beside the plain dependencies.
LOCKS = (
    ("web", "the web server and beat, without torch", ()),
    ("worker", "a worker", ("worker",)),
    ("embedded", "what `make run` needs besides: PostgreSQL and Redis as Python packages", ("embedded",)),
    ("dev", "the checks and tests, without torch", ("embedded", "dev", "evaluate")),
    ("bench", "what `make bench` compares generation with, without torch", ("bench",)),
    ("docs", "what builds the help pages, without the server's own packages", ("docs",)),
)
# Files without the plain dependencies: a container image builds the help pages on their own.
ALONE = ("docs",)
# Debian 12's own Python is the oldest supported; some packages need more there.
PYTHONS = (
    {"python_version": "3.11", "python_full_version": "3.11.2"},
    {"python_version": "3.12", "python_full_version": "3.12.0"},
)
BUILD_DEPENDENT = ("nvidia-", "cuda-", "triton")


def pins(wanted: Iterable[str]) -> dict[str, str]:
    """Name and public version of every package that these requirements need, themselves included."""
    found: dict[str, str] = {}
    open_requirements = [(Requirement(text), "") for text in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_requirements:
        requirement, extra = open_requirements.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        marker = requirement.marker
        applies = marker is None or any(marker.evaluate({**python, "extra": extra}) for python in PYTHONS)
        if key in seen or not applies or name.startswith(BUILD_DEPENDENT):
            continue
        seen.add(key)
        installed = distribution(name)
        found[name] = Version(installed.version).public
        needs = [Requirement(text) for text in installed.requires or []]
        open_requirements += [(need, extra) for need in needs for extra in ("", *requirement.extras)]
    return found


def main() -> None:
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
    for name, purpose, extras in LOCKS:
        wanted = [] if name in ALONE else [*project["dependencies"]]
        for extra in extras:
            wanted += project["optional-dependencies"][extra]
        lines = [f"# Exact versions for {purpose}. Written by `make lock`; change pyproject.toml instead."]
        lines += [f"{package}=={version}" for package, version in sorted(pins(wanted).items())]
        (FOLDER / f"{name}.lock").write_text("\n".join(lines) + "\n")
        print(f"requirements/{name}.lock: {len(lines) - 1} packages")


if __name__ == "__main__":
    main()
