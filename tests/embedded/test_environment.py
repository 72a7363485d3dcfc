"""Settings are read from the environment. An invalid one is refused with its name and a remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glmr_server import environment as env

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("raw", "expected"), [("2 GiB", 2 * 2**30), ("500MB", 500_000_000), ("7", 7), ("1k", None), ("-1", None)]
)
def test_sizes(raw: str, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMR_X", raw)
    if expected is not None:
        assert env.n_bytes("GLMR_X", 1) == expected
        return
    with pytest.raises(env.BadSetting, match="500MB or 2GiB"):
        env.n_bytes("GLMR_X", 1)


@pytest.mark.parametrize(
    ("read", "raw", "hint"),
    [
        (lambda: env.flag("GLMR_X", False), "maybe", "true or false"),
        (lambda: env.whole_number("GLMR_X", 5, minimum=1), "0", "at least 1, such as 5"),
        (lambda: env.choice("GLMR_X", "a", ("a", "b")), "c", "one of a, b"),
        (lambda: env.url("GLMR_X", "", ("redis",), "redis://host"), "mysql://host", "such as redis://host"),
    ],
)
def test_invalid_value_is_refused(
    read: Callable[[], object], raw: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLMR_X", raw)
    with pytest.raises(env.BadSetting) as caught:
        read()
    assert "GLMR_X" in str(caught.value)
    assert hint in str(caught.value)


def test_blank_value_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMR_X", " ")
    assert env.whole_number("GLMR_X", 5) == 5


def run_with(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *code.split()],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_manage_names_the_invalid_variable() -> None:
    done = run_with("manage.py check", GLMR_MAX_UPLOAD_BYTES="plenty")
    assert done.returncode == 1
    assert "GLMR_MAX_UPLOAD_BYTES='plenty'" in done.stderr
    assert "Traceback" not in done.stderr


def test_password_in_invalid_address_is_not_shown() -> None:
    done = run_with("manage.py check", GLMR_DATABASE_URL="postgresql://u:hunter2@host:port/%zz")
    assert "GLMR_DATABASE_URL" in done.stderr
    assert "hunter2" not in done.stderr


def test_manage_explains_how_to_start_the_database(empty_data_dir: Path) -> None:
    done = run_with("manage.py migrate", GLMR_DATA_DIR=str(empty_data_dir), GLMR_DATABASE_URL="")
    assert done.returncode == 1
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr


def test_web_server_refuses_to_start_without_a_stored_key(empty_data_dir: Path) -> None:
    done = run_with("-m glmr_server.serve web", GLMR_DATA_DIR=str(empty_data_dir), GLMR_SECRET_KEY="")
    assert done.returncode == 1
    assert "GLMR_SECRET_KEY" in done.stderr
