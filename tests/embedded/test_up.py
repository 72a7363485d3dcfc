"""`make run` as a whole: it starts, answers, recovers, stops on Ctrl-C, and starts again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.embedded.processes import eventually, running
from tests.embedded.server import ROOT, first_passwords, server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_start_recovery_stop_and_second_start(data_dir: Path) -> None:
    with server(data_dir) as (process, address, printed):
        assert answers(address)
        assert re.search(r"admin +\S{8,} +\(administrator\)", printed)
        assert not (data_dir / "logins.json").exists()  # printed once, kept nowhere
        assert data_dir.stat().st_mode & 0o777 == 0o700
        assert (data_dir / "secret_key").stat().st_mode & 0o777 == 0o600

        second = subprocess.run(
            [sys.executable, "-m", "glmr_server.up"],
            env={**os.environ, "GLMR_DATA_DIR": str(data_dir)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 2
        assert f"in use by process {process.pid}, serving {address}" in second.stdout

        web = next(pid for pid in children(process.pid) if "glmr_server.asgi" in command(pid))
        os.kill(web, signal.SIGKILL)
        assert eventually(lambda: not running(web))
        assert eventually(lambda: answers(address), within_s=60)

        # Both stores at the same time, as when memory runs out.
        stores = [pid for pid in children(process.pid) if re.search("postgres -D|redis-server", command(pid))]
        assert len(stores) == 2
        for pid in stores:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not any(running(pid) for pid in stores))
        assert eventually(lambda: answers(address), within_s=60)

        family = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert not any(running(pid) for pid in family)

    with server(data_dir) as (process, address, printed):
        assert first_passwords(printed) == {}
        assert "(password unchanged)" in printed
        family = children(process.pid)
        process.send_signal(signal.SIGKILL)
        assert eventually(lambda: not any(running(pid) for pid in family), within_s=60)


def test_port_in_use_is_reported(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "glmr_server.up", "--no-demo"],
            env={**os.environ, "GLMR_DATA_DIR": str(data_dir), "GLMR_PORT": str(port)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in done.stdout
