"""The boundaries between the packages, tested in new processes by what is really loaded."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the server may import from models_ml. None of it needs torch, which is checked below.
SHARED = {
    "models_ml.spectra",
    "models_ml.molecules",
    "models_ml.outcomes",
    "models_ml.features",
    "models_ml.isolation",
    "models_ml.unreadable",
    "models_ml.checkpoint_info",
    "models_ml.demonstration",
    "models_ml.evidence.analogs",
    "models_ml.evidence.fragments",
    "models_ml.evidence.predicted_spectrum",
}
# Refuses some packages as if they were not installed, then imports every module of the given packages.
WALK = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Absent())

def walk(name):
    module = importlib.import_module(name)
    for found in pkgutil.iter_modules(getattr(module, "__path__", []), name + "."):
        if not found.name.endswith("__main__"):
            walk(found.name)
"""


def run(code: str, *absent: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"ABSENT = {set(absent)!r}\n{WALK}\n{code}"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "glmr_server.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_server_loads_where_torch_is_not_installed() -> None:
    code = """
import django; django.setup()
from django.urls import get_resolver
assert len(get_resolver().url_patterns) > 3
for package in ("annotation", "glmr_server"):
    walk(package)
assert not any(name.split(".")[0] in ("torch", "worker") for name in sys.modules)
"""
    run(code, "torch", "worker")


def test_the_shared_part_of_models_ml_loads_without_torch_and_django() -> None:
    code = f"for name in {sorted(SHARED)!r}: walk(name)"
    run(code, "torch", "django", "celery", "annotation", "glmr_server", "worker")


@pytest.mark.skipif(find_spec("torch") is None, reason="half of models_ml is torch, which is absent here")
def test_models_ml_loads_where_django_is_not_installed() -> None:
    run("walk('models_ml')", "django", "rest_framework", "celery", "annotation", "glmr_server", "worker")


def test_the_server_imports_only_the_shared_part_of_models_ml() -> None:
    for package in ("annotation", "glmr_server"):
        for file in (ROOT / package).rglob("*.py"):
            for name in imported(file):
                if name.split(".")[0] == "models_ml":
                    assert any(name == ours or name.startswith(f"{ours}.") for ours in SHARED), (file, name)


def imported(file: Path) -> set[str]:
    """Full names of all modules, or of names in modules, that the file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names
