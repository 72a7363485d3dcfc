"""The whole server as `make run` starts it, on an own data directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def server(data_dir: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The supervisor, the address that it printed, and everything that it printed before."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GLMR_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "glmr_server.up", "--no-demo"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**inherited, "GLMR_DATA_DIR": str(data_dir), **variables},
    )
    assert process.stdout is not None
    try:
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("Data and logs"):
                break
        address = re.search(r"GLMR Server is up: (\S+)", seen)
        assert address, seen
        yield process, address[1], seen
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def first_passwords(printed: str) -> dict[str, str]:
    """The accounts that the first start printed, with their passwords."""
    return dict(re.findall(r"^  (\w+) +(\S{8,}) +\(\w+\)$", printed, re.MULTILINE))
