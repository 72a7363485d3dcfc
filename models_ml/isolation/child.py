"""The child process as the caller sees it: it received one request and sends frames of items."""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import time
from typing import IO, Any, Protocol

from models_ml.isolation.errors import MIB, OUT_OF_MEMORY, IsolationError

LENGTH = struct.Struct("!Q")  # of the frame behind it
_STDERR_KEPT = 2_000  # characters from the end of the child's stderr that an error keeps


class Process(Protocol):
    """A started process that has its request."""

    frames: int  # the descriptor from which frames are read
    stderr: IO[bytes]

    def wait(self) -> int | None:
        """The exit status, negative for a signal. None if it cannot be known."""

    def kill(self) -> None:
        """End the process if it still runs, and close everything but `stderr`. May be repeated."""


class Child:
    """Reads the frames of a process, and explains its death."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def next_frame(self, timeout: float | None) -> tuple[str, Any]:
        """Next (kind, content), after at most ``timeout`` seconds. Raises IsolationError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        kind, content = pickle.loads(self._read(length, deadline))  # noqa: S301 (from our child process)
        return kind, content

    def _read(self, size: int, deadline: float | None) -> bytes:
        parts: list[bytes] = []
        poll = select.poll()
        poll.register(self._process.frames, select.POLLIN)
        while size:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not poll.poll(None if left is None else left * 1000):
                raise IsolationError("time", "The reading process took too long and was stopped.")
            try:
                part = os.read(self._process.frames, min(size, MIB))
            except ConnectionResetError:  # it died before it read its request
                part = b""
            if not part:
                raise self._cause_of_death()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _cause_of_death(self) -> IsolationError:
        code = self._process.wait()
        self._process.stderr.seek(0)
        stderr = self._process.stderr.read().decode(errors="replace")[-_STDERR_KEPT:]
        if code is None:
            return IsolationError("crash", "The reading process was ended from outside.", stderr)
        if code == -signal.SIGXCPU:
            return IsolationError("time", "The reading process exceeded its CPU time limit.", stderr)
        # Native code aborts where Python would raise. The kernel's out-of-memory killer sends SIGKILL.
        if code == -signal.SIGKILL or "bad_alloc" in stderr or "MemoryError" in stderr:
            return IsolationError("memory", OUT_OF_MEMORY, stderr)
        ending = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return IsolationError("crash", f"The reading process died ({ending}).", stderr)

    def close(self) -> None:
        """Kill the process if it still runs, and close its files."""
        self._process.kill()
        self._process.stderr.close()
