"""Wait for a job on the terminal: a progress bar, and the reason when the job does not move."""

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
from annotation.jobs.waiting import Waiting

POLL_EVERY_S = 0.5
STOP_WITHIN_S = 40  # a worker first ends its current mini-batch


class Worker:
    """A Celery worker in a separate process, with its log in a file."""

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
        """Raises CommandError with the end of the log if the process has ended."""
        if (status := self._process.poll()) is not None:
            last_lines = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise CommandError(f"The worker ended with status {status}. The end of its log:\n{last_lines}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stream.close()


@contextmanager
def temporary_worker(*, is_needed: bool) -> Iterator[Worker | None]:
    """A worker that runs while the block runs, or None if none is needed."""
    if not is_needed:
        yield None
        return
    if not broker_answers():
        raise CommandError(
            "The broker does not answer, so a worker would not receive the job. Run `make run` in another "
            "terminal, which starts a broker and a worker, or set GLMR_BROKER_URL to a Redis or RabbitMQ."
        )
    with tempfile.TemporaryDirectory(prefix="glmr-worker-") as folder:
        worker = Worker(Path(folder) / "worker.log")
        try:
            yield worker
        finally:
            worker.stop()


def wait(job: Job, stderr: OutputWrapper, worker: Worker | None = None) -> Progress:
    """Return when the job is final. Prints what the job waits for each time that it changes."""
    printed = ""
    stream = _stream(stderr)
    # A log file does not need a line every half second.
    interval_s = 0.1 if stream.isatty() else 15
    total = job.items.count()
    with tqdm(total=total, unit=" features", file=stream, desc=job.name[:30], mininterval=interval_s) as bar:
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
            if hint and hint != printed:
                bar.write(hint, file=stream)
            printed = hint
            time.sleep(POLL_EVERY_S)


def _hint(now: Progress, worker: Worker | None) -> str:
    """What the job waits for, in a sentence that stays the same while the reason does."""
    if now.waiting is Waiting.NO_WORKER:
        if worker is not None:
            return ""  # it is starting
        return (
            "No worker is alive. Run `python -m glmr_server.serve worker` or `make run`, or use "
            "--with-worker. The job is stored: you can press Ctrl-C, and it waits for a worker."
        )
    if now.waiting is Waiting.EMBEDDING:
        return "Waiting: the library is being prepared for this model."
    return now.waiting_for


def _stream(stderr: OutputWrapper) -> TextIO:
    # The stream behind the wrapper, because the wrapper ends each piece of the bar with a newline.
    return cast(TextIO, vars(stderr)["_out"])
