"""The documents as text, and as built pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def docs() -> Path:
    return ROOT / "docs"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages. A warning of Sphinx is an error."""
    folder = tmp_path_factory.mktemp("help")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--quiet",
        "--nitpicky",
        "--fail-on-warning",
        "--builder",
        "html",
    ]
    paths = ["--doctree-dir", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html")]
    result = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder / "html"
