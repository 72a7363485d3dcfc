"""Waiting for a job on the terminal: a bar that shows the ledger's counts, and words where nothing moves."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from tqdm import tqdm

from annotation.integration.broker import broker_answers
from annotation.jobs.models import Job
from annotation.jobs.progress import Progress, progress

LOOK_EVERY_S = 0.5
STOP_WITHIN_S = 40  # a worker ends the mini-batch in hand first


class Worker:
    """One Celery worker in a process of its own, with its log in a temporary file."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._stream = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "glmr_server.serve", "worker"],
            cwd=settings.BASE_DIR,
            stdout=self._stream,
            stderr=subprocess.STDOUT,
        )

    def check(self) -> None:
        """Raises CommandError, with the end of its log, if it has died."""
        if (status := self._process.poll()) is not None:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise CommandError(f"The worker ended with status {status}. The end of its log:\n{last}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stream.close()


@contextmanager
def worker_for_now(*, wanted: bool) -> Iterator[Worker | None]:
    """A worker for the time of the block, or none."""
    if not wanted:
        yield None
        return
    if not broker_answers():
        raise CommandError(
            "The broker does not answer, so a worker could not hear of the job. Start it with `make run` in "
            "another terminal (which runs a worker too), or point GLMR_BROKER_URL to a Redis or RabbitMQ."
        )
    with tempfile.TemporaryDirectory(prefix="glmr-worker-") as folder:
        worker = Worker(Path(folder) / "worker.log")
        try:
            yield worker
        finally:
            worker.stop()


def wait(job: Job, stderr: OutputWrapper, worker: Worker | None = None) -> Progress:
    """Return when the job is final. What is waited for is said once each time that it changes."""
    said = ""
    stream = _stream(stderr)
    # A log file needs no line every half second.
    pace_s = 0.1 if stream.isatty() else 15
    total = job.items.count()
    with tqdm(total=total, unit=" spectra", file=stream, desc=job.name[:30], mininterval=pace_s) as bar:
        while True:
            job.refresh_from_db()
            now = progress(job)
            bar.set_postfix_str(f"{now.failed} failed" if now.failed else "", refresh=False)
            bar.update(now.finished - bar.n)
            if now.is_final:
                return now
            if worker is not None:
                worker.check()
            hint = _hint(now, worker)
            if hint and hint != said:
                bar.write(hint, file=stream)
            said = hint
            time.sleep(LOOK_EVERY_S)


def _hint(now: Progress, worker: Worker | None) -> str:
    if now.stalled and worker is not None:
        return ""  # it is only just starting
    if now.stalled:
        return (
            "No worker is alive. Start one with `python -m glmr_server.serve worker` (or `make run`), or use "
            "--with-worker. The job is stored: Ctrl-C leaves it waiting."
        )
    return now.waiting_for if "embedded" not in now.waiting_for else "Waiting: the library is being prepared."


def _stream(stderr: OutputWrapper) -> TextIO:
    # The stream itself: the wrapper would end each piece of the bar with a newline.
    return cast(TextIO, vars(stderr)["_out"])
