"""Searches with structures from outside: in a child process with limits, and few at once.

A pattern can take any time to search, and RDKit can crash on hostile input.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from models_ml.isolation import MIB, ForkServer, run_bounded

Item = TypeVar("Item")

MEMORY_BYTES = 512 * MIB
# Searches at once. A web process has few threads, and others must still be served.
MAX_AT_ONCE = 2
RETRY_AFTER_S = 3

_server = ForkServer(preload=("models_ml.molecules.substructure", "models_ml.molecules.standardise"))
_at_once = threading.BoundedSemaphore(MAX_AT_ONCE)


class SearchBusy(Exception):
    """Other searches run, and none of them ended in time. The message is for the person who searches."""

    def __init__(self) -> None:
        super().__init__("Other searches for structures are running. Try again in a few seconds.")


@contextmanager
def search_slot(wait_s: float | None = None) -> Iterator[None]:
    """One of the MAX_AT_ONCE searches. Raises SearchBusy after `wait_s`; None waits without a limit."""
    if not _at_once.acquire(timeout=wait_s):
        raise SearchBusy()
    try:
        yield
    finally:
        _at_once.release()


def bounded(
    function: Callable[..., Iterable[Item]], *arguments: object, wall_s: float, cpu_s: int
) -> Iterator[Item]:
    """`run_bounded` in a fork, which starts in milliseconds. Raises IsolationError."""
    return run_bounded(
        function,
        *arguments,
        memory_bytes=MEMORY_BYTES,
        cpu_seconds=cpu_s,
        wall_seconds=wall_s,
        silence_seconds=None,
        server=_server,
    )
