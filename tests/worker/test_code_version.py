"""A result names the release and commit of the code that made it."""

from __future__ import annotations

import re
import subprocess

import pytest

from glmr_server import __version__
from worker import code_version as naming


def test_image_names_its_own_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMR_CODE_VERSION", "build 17")
    assert naming.code_version() == "build 17"


def test_checkout_is_named_by_release_and_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("GLMR_CODE_VERSION", raising=False)
    monkeypatch.setattr(naming, "_ROOT", tmp_path)
    assert naming.code_version() == __version__
    git = ["git", "-C", str(tmp_path), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "first"], check=True)
    assert re.fullmatch(re.escape(__version__) + r"\+[0-9a-f]{12}", naming.code_version())
