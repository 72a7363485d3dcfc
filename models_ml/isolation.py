"""Runs a generator over untrusted bytes in a child process with limits on memory and time.

The child is a new interpreter that inherits no open files. It is not forked, so this is safe in gunicorn
threads and Celery workers. The child runs only our code: its results are unpickled.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

Item = TypeVar("Item")
Kind = Literal["memory", "time", "crash"]

MIB = 1024 * 1024
_FLUSH_S = 0.2  # a batch waits no longer than this for more items
_LENGTH = struct.Struct("!Q")
_OUT_OF_MEMORY = "The reading process exceeded its memory limit."
_STDERR_KEPT = 2_000  # characters from the end of the child's stderr that an error keeps


class IsolationError(Exception):
    """The child ran out of memory or time, or crashed. Items that arrived before are valid."""

    def __init__(self, kind: Kind, message: str, detail: str = "") -> None:
        super().__init__(kind, message, detail)
        self.kind = kind
        self.message = message
        self.detail = detail  # the end of the child's stderr, for the log

    def __str__(self) -> str:
        return self.message


def run_bounded(
    function: Callable[..., Iterable[Item]],
    *args: object,
    memory_bytes: int = 1024 * MIB,
    cpu_seconds: int | None = 600,
    wall_seconds: float | None = None,
    silence_seconds: float | None = 60.0,
    batch_size: int = 64,
) -> Iterator[Item]:
    """Yield what ``function(*args)`` yields, computed in a child process.

    ``function`` must be importable by name, or be a ``functools.partial`` of such a function. Arguments,
    items and exceptions must be picklable. An exception of the function is raised here unchanged.
    ``memory_bytes`` does not include the interpreter and the imported libraries. ``wall_seconds`` and
    ``silence_seconds`` (the longest wait for the next item) count only the time that the caller waits for the
    child: a slow consumer does not use it up. Items are sent in batches: if the child dies, fewer than
    ``batch_size`` unsent items are lost. Closing or dropping the iterator kills the child. Raises
    IsolationError.
    """
    child = _Child(pickle.dumps((function, args, memory_bytes, cpu_seconds, batch_size)))
    waited = 0.0
    try:
        while True:
            timeout = _smallest(silence_seconds, None if wall_seconds is None else wall_seconds - waited)
            started = time.monotonic()
            kind, content = child.next_frame(timeout)
            waited += time.monotonic() - started
            if kind == "end":
                return
            if kind == "error":
                raise content
            yield from content
    finally:
        child.close()


def _smallest(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


class _Child:
    """The child process as the parent sees it: it receives one request and sends frames of items."""

    def __init__(self, request: bytes) -> None:
        self._reading, writing = os.pipe()
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        command = f"from models_ml.isolation import _serve; _serve({writing})"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.PIPE,
                stdout=self._stderr,
                stderr=self._stderr,
                pass_fds=(writing,),
                env=_child_environment(),
            )
        except BaseException:
            os.close(self._reading)
            self._stderr.close()
            raise
        finally:
            os.close(writing)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the child died; the first frame reports the cause
            self._process.stdin.write(request)
            self._process.stdin.close()

    def next_frame(self, timeout: float | None) -> tuple[str, Any]:
        """Next (kind, content), after at most ``timeout`` seconds. Raises IsolationError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        kind, content = pickle.loads(self._read(length, deadline))  # noqa: S301 (from our child process)
        return kind, content

    def _read(self, size: int, deadline: float | None) -> bytes:
        parts: list[bytes] = []
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        while size:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not poll.poll(None if left is None else left * 1000):
                raise IsolationError("time", "The reading process took too long and was stopped.")
            part = os.read(self._reading, min(size, MIB))
            if not part:
                raise self._cause_of_death()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _cause_of_death(self) -> IsolationError:
        code = self._process.wait()
        self._stderr.seek(0)
        stderr = self._stderr.read().decode(errors="replace")[-_STDERR_KEPT:]
        if code == -signal.SIGXCPU:
            return IsolationError("time", "The reading process exceeded its CPU time limit.", stderr)
        # Native code aborts where Python would raise. The kernel's out-of-memory killer sends SIGKILL.
        if code == -signal.SIGKILL or "bad_alloc" in stderr or "MemoryError" in stderr:
            return IsolationError("memory", _OUT_OF_MEMORY, stderr)
        ending = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return IsolationError("crash", f"The reading process died ({ending}).", stderr)

    def close(self) -> None:
        """Kill the child if it still runs, and close its files."""
        self._process.kill()
        self._process.wait()
        os.close(self._reading)
        self._stderr.close()


def _child_environment() -> dict[str, str]:
    paths = [str(Path(path).resolve()) for path in sys.path]  # "" is the working directory
    # One thread for each library: idle threads reserve address space, which counts against the memory limit.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}


def _serve(writing: int) -> None:
    """The child's main function: read the request, run it under limits, send frames."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and then kills this process
    with os.fdopen(writing, "wb") as stream:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our parent process)
            function, args, memory_bytes, cpu_seconds, batch_size = request
            _limit(memory_bytes, cpu_seconds)
            _send_batches(stream, function(*args), batch_size)
            _send(stream, ("end", None))
        except BrokenPipeError:
            os._exit(0)  # the parent dropped the iterator
        except MemoryError:
            _send(stream, ("error", IsolationError("memory", _OUT_OF_MEMORY)))
        except BaseException as error:  # the parent raises every other exception of the function
            _send(stream, ("error", _portable(error)))


def _limit(memory_bytes: int, cpu_seconds: int | None) -> None:
    """Set the limits after all imports, so that they apply to the work and not to the libraries."""
    used_pages = int(Path("/proc/self/statm").read_text().split()[0])
    address_space = used_pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if cpu_seconds is not None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        ceiling = int(usage.ru_utime + usage.ru_stime) + 1 + cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (ceiling, ceiling + 5))


def _send_batches(stream: IO[bytes], items: Iterable[object], batch_size: int) -> None:
    """Send items in batches, for speed. Items that were yielded before an exception are sent before it."""
    batch: list[object] = []
    sent = time.monotonic()
    try:
        for item in items:
            batch.append(item)
            if len(batch) >= batch_size or time.monotonic() - sent > _FLUSH_S:
                full, batch = batch, []
                _send(stream, ("items", full))
                sent = time.monotonic()
    finally:
        if batch:
            _send(stream, ("items", batch))


def _send(stream: IO[bytes], frame: tuple[str, object]) -> None:
    data = pickle.dumps(frame, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _portable(error: BaseException) -> BaseException:
    """The exception itself if it survives pickling, else an IsolationError that names it."""
    with contextlib.suppress(Exception):
        if type(pickle.loads(pickle.dumps(error))) is type(error):  # noqa: S301 (pickled in this line)
            return error
    return IsolationError("crash", f"The reading process failed: {type(error).__name__}: {error}")
