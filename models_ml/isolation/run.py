"""Runs one generator in a child process and yields its items."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from models_ml.isolation.child import Child
from models_ml.isolation.errors import MIB
from models_ml.isolation.fork_server import ForkServer
from models_ml.isolation.spawned import Spawned

Item = TypeVar("Item")


def run_bounded(
    function: Callable[..., Iterable[Item]],
    *args: object,
    memory_bytes: int = 1024 * MIB,
    cpu_seconds: int | None = 600,
    wall_seconds: float | None = None,
    silence_seconds: float | None = 60.0,
    batch_size: int = 64,
    server: ForkServer | None = None,
) -> Iterator[Item]:
    """Yield what ``function(*args)`` yields, computed in a child process.

    The child is a fork of ``server``, which takes milliseconds, or else a new interpreter. ``function`` must
    be importable by name, or be a ``functools.partial`` of such a function. Arguments, items and exceptions
    must be picklable. An exception of the function is raised here unchanged. ``memory_bytes`` does not
    include the interpreter and the imported libraries. ``wall_seconds`` and ``silence_seconds`` (the longest
    wait for the next item) count only the time that the caller waits for the child: a slow consumer does not
    use it up. Items are sent in batches: if the child dies, fewer than ``batch_size`` unsent items are lost.
    Closing or dropping the iterator kills the child. Raises IsolationError.
    """
    request = pickle.dumps((function, args, memory_bytes, cpu_seconds, batch_size))
    child = Child(server.fork(request) if server is not None else Spawned(request))
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
