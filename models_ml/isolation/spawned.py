"""Starts a child process as a new interpreter that inherits no open files. Takes half a second of imports."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO


class Spawned:
    """A new interpreter that runs one request. See `child.Process`."""

    def __init__(self, request: bytes) -> None:
        self.frames, writing = os.pipe()
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        command = f"from models_ml.isolation.serve import serve_stdin; serve_stdin({writing})"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.PIPE,
                stdout=self.stderr,
                stderr=self.stderr,
                pass_fds=(writing,),
                env=environment(),
            )
        except BaseException:
            os.close(self.frames)
            self.stderr.close()
            raise
        finally:
            os.close(writing)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the child died; the first frame reports the cause
            self._process.stdin.write(request)
            self._process.stdin.close()

    def wait(self) -> int | None:
        return self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self.frames >= 0:
            os.close(self.frames)
            self.frames = -1


def environment() -> dict[str, str]:
    """The environment of a new interpreter that imports what this one can import."""
    paths = [str(Path(path).resolve()) for path in sys.path]  # "" is the working directory
    # One thread for each library: idle threads reserve address space, which counts against the memory limit,
    # and a process with threads cannot be forked safely.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}
