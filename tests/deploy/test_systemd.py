"""The systemd units are valid, closed as far as the server allows, and run its processes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glmr_server.serve import COMMANDS
from tests.boundaries.test_containers import known_settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
UNITS = sorted(file.name for file in FOLDER.glob("*.service"))
# systemd-analyze rates a unit without any restriction at 9.6 of 10.
_MOST_EXPOSURE = "2.0"


def test_units_run_all_processes() -> None:
    text = "".join((FOLDER / name).read_text() for name in UNITS)
    assert set(re.findall(r"glmr_server\.serve (\w+)", text)) == set(COMMANDS)
    target = (FOLDER / "glmr.target").read_text()
    wanted = {name.replace("@", "@1") for name in UNITS if "migrate" not in name}
    assert set(re.findall(r"glmr-[\w@]+\.service", target)) == wanted


def test_settings_exist() -> None:
    text = "".join(file.read_text() for file in FOLDER.iterdir())
    assert set(re.findall(r"GLMR_\w+", text)) <= known_settings()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for file in FOLDER.glob("glmr*.*"):
        # systemd-analyze looks for the program and the folder of each unit.
        text = file.read_text().replace("/opt/glmr/venv/bin/python", sys.executable)
        (tmp_path / file.name).write_text(text.replace("/opt/glmr/server", str(tmp_path)))
    names = [str(tmp_path / name.replace("@", "@1")) for name in UNITS]
    (tmp_path / "glmr-worker@1.service").symlink_to("glmr-worker@.service")
    verified = _analyze("verify", *names, str(tmp_path / "glmr.target"))
    ours = [line for line in verified.splitlines() if "glmr" in line]
    assert not ours, "\n".join(ours)
    for name in names:
        report = _analyze("security", "--offline=true", f"--threshold={float(_MOST_EXPOSURE) * 10:.0f}", name)
        rating = re.search(r"exposure level for \S+: ([0-9.]+)", report)
        assert rating is not None, report
        assert float(rating[1]) <= float(_MOST_EXPOSURE), report


def _analyze(*arguments: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
