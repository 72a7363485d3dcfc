"""The child's side: run one request under limits and send frames."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from models_ml.isolation.child import LENGTH
from models_ml.isolation.errors import OUT_OF_MEMORY, IsolationError

_FLUSH_S = 0.2  # a batch waits no longer than this for more items


def serve_stdin(writing: int) -> None:
    """The main function of a new interpreter: its request is on stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller handles Ctrl-C and then kills this process
    with os.fdopen(writing, "wb") as stream:
        serve(sys.stdin.buffer, stream)


def serve(requests: IO[bytes], stream: IO[bytes]) -> None:
    """Read one request, run it and write its frames."""
    try:
        request = pickle.load(requests)  # noqa: S301 (from the process that started this one)
        function, args, memory_bytes, cpu_seconds, batch_size = request
        _limit(memory_bytes, cpu_seconds)
        _send_batches(stream, function(*args), batch_size)
        _send(stream, ("end", None))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # the caller dropped the iterator
    except MemoryError:
        _send(stream, ("error", IsolationError("memory", OUT_OF_MEMORY)))
    except BaseException as error:  # the caller raises every other exception of the function
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
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def _portable(error: BaseException) -> BaseException:
    """The exception itself if it survives pickling, else an IsolationError that names it."""
    with contextlib.suppress(Exception):
        if type(pickle.loads(pickle.dumps(error))) is type(error):  # noqa: S301 (pickled in this line)
            return error
    return IsolationError("crash", f"The reading process failed: {type(error).__name__}: {error}")
