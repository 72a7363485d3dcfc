"""Workers and beats as separate processes, and waiting for what they do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from annotation.models import Annotation, Job, JobItem
from glmr_server import serve

ROOT = Path(__file__).resolve().parent.parent.parent
# A busy machine needs long to import torch. A test that passes never waits this long.
PATIENCE_S = 480.0


class Process:
    def __init__(self, kind: str, environment: dict[str, str], log: Path) -> None:
        self.log = log
        command = serve.COMMANDS[kind]()
        if include := environment.pop("TEST_WORKER_MODULE", ""):
            command[command.index("--include") + 1] = include
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command], env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: the process cannot clean up."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self._process.terminate()
        return self._process.wait(timeout=PATIENCE_S)


def wait_until(condition: Callable[[], bool], what: str, *, meanwhile: Callable[[], object] = int) -> None:
    """Wait until the condition holds. `meanwhile` runs before each check."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        meanwhile()
        assert time.monotonic() < deadline, f"Waited in vain for {what}."
        time.sleep(0.05)


def n_done(job: Job) -> int:
    return JobItem.objects.filter(job=job, state=JobItem.State.DONE).count()


def is_finished(job: Job) -> bool:
    job.refresh_from_db()
    return job.finished_at is not None


def assert_each_annotated_once(job: Job) -> None:
    spectra = list(Annotation.objects.filter(job=job).values_list("spectrum_id", flat=True))
    assert sorted(spectra) == sorted(job.items.values_list("spectrum_id", flat=True))
    assert set(job.items.values_list("state", flat=True)) == {"done"}
