"""Fifty clients at once: seconds to submit ten spectra and to poll while a worker runs, beside one view."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.embedded.server import ROOT, server

pytest.importorskip("httpx", reason="httpx comes with the client generator of the development tools")
import httpx

T = TypeVar("T")
pytestmark = pytest.mark.timeout(1800)

N_CLIENTS = 50
N_POLLS = 4  # of each client
PEAKS = [[65.0386, 12.0], [121.0284, 100.0], [139.0390, 40.0], [163.0390, 7.5]]
SPECTRUM = {"precursor_mz": 181.0495, "adduct": "[M+H]+", "ion_mode": "positive", "peaks": PEAKS}


def test_submitting_and_polling_with_fifty_clients(capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="glmr-b-", dir="/tmp") as folder:
        data_dir = Path(folder) / "data"
        with server(data_dir, GLMR_API_RATE="1000000") as (_, address, _):
            token = prepare(data_dir)
            submits, polls, retries = asyncio.run(measure(address, token))
    bare = asyncio.run(measure_bare())
    with capsys.disabled():
        print(f"\n{N_CLIENTS} clients at once, {len(os.sched_getaffinity(0))} processors, p50 / p95 in ms")
        rows = {"bare Django view": bare, "poll a job": polls, "submit 10 spectra": submits}
        for name, seconds in rows.items():
            print(f"  {name:<20} {1000 * statistics.median(seconds):8.0f} {1000 * p95(seconds):8.0f}")
        print(f"  submissions that were sent again because the server was busy: {retries}")
    assert len(submits) == N_CLIENTS


def prepare(data_dir: Path) -> str:
    """A library of one molecule, and a token of the curator."""
    file = data_dir / "library.smi"
    file.write_text("CC(=O)Oc1ccccc1C(=O)O aspirin\n")
    manage(data_dir, "import_library", "aspirin", str(file))
    printed = manage(data_dir, "issue_token", "bench", "--user", "admin", "--project", "demonstration")
    found = re.search(r"glmr_\w+", printed)
    assert found, printed
    return found[0]


def manage(data_dir: Path, *arguments: str) -> str:
    environment = {**os.environ, "GLMR_DATA_DIR": str(data_dir)}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def measure(address: str, token: str) -> tuple[list[float], list[float], int]:
    """Seconds of each submission and of each poll, and how often a submission was sent again."""
    n_retries = 0
    limits = httpx.Limits(max_connections=N_CLIENTS)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=120, limits=limits) as client:

        async def submit(number: int) -> str:
            nonlocal n_retries
            spectra = [SPECTRUM | {"external_id": f"{number}-{index}"} for index in range(10)]
            body = {"library": "aspirin", "spectra": spectra, "name": f"bench {number}"}
            key = {"Idempotency-Key": f"bench-{number}"}
            while True:
                answer = await client.post("/api/v1/jobs", json=body, headers=key)
                if answer.status_code not in (429, 503):
                    assert answer.status_code == 202, answer.text
                    return str(answer.headers["Location"])
                n_retries += 1
                await asyncio.sleep(int(answer.headers["Retry-After"]))

        async def poll(job: str) -> None:
            assert (await client.get(job)).status_code == 200

        job = await submit(-1)
        submits = await at_once(submit, range(N_CLIENTS))
        polls = []
        for _ in range(N_POLLS):
            polls += await at_once(poll, [job] * N_CLIENTS)
    return submits, polls, n_retries


async def measure_bare() -> list[float]:
    """Seconds of each request for a view that does nothing, with as many processes and threads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = ["-m", "gunicorn", "tests.benchmarks.bare_view:application", "--threads", "8"]
        command += ["--workers", str(max(2, min(4, len(os.sched_getaffinity(0)))))]
        command += ["--bind", f"fd://{listener.fileno()}", "--no-control-socket"]
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, pass_fds=[listener.fileno()])
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=address, timeout=120) as client:

                async def get(path: str) -> None:
                    assert (await client.get(path)).status_code == 200

                await get("/")
                seconds = []
                for _ in range(N_POLLS):
                    seconds += await at_once(get, ["/"] * N_CLIENTS)
                return seconds
        finally:
            process.terminate()
            process.wait()


async def at_once(work: Callable[[T], Awaitable[object]], items: Iterable[T]) -> list[float]:
    """Start the work for all items at the same time. Returns the seconds of each."""

    async def timed(item: T) -> float:
        started = time.monotonic()
        await work(item)
        return time.monotonic() - started

    return list(await asyncio.gather(*(timed(item) for item in items)))


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]
