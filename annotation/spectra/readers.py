"""The reading processes of this process: who may read a file now, and with which limits.

Web threads are few, so only some requests may read or wait for their turn. All others are refused at once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User

from annotation.spectra import reading
from models_ml.features.group import GroupingSettings
from models_ml.isolation import MIB, ForkServer, IsolationError, run_bounded
from models_ml.spectra.formats import ReadLimits

# Seconds that a request waits for its turn. Small files take less than one.
PATIENCE_S = 5.0
RETRY_AFTER_S = 5
# Gzip makes spectra three to five times smaller, and lines without content a thousand times.
_LIKELY_COMPRESSION = 10
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04")

_server = ForkServer(preload=("annotation.spectra.reading",))


class Busy(Exception):
    """The file cannot be read now. The message is for the person who sent it."""

    def __init__(self, *, own: bool) -> None:
        reason = "Your earlier files are still being read." if own else "The server is reading other files."
        super().__init__(f"{reason} Nothing was stored. Send the file again in {RETRY_AFTER_S} seconds.")
        self.own = own  # whether the caller's own files are the reason


class Turns:
    """At most `n_readers` callers read at once, and as many requests wait.

    One caller reads at most `n_readers - 1` files at once, so that a reader is left for the others.
    """

    def __init__(self, n_readers: int, patience_s: float) -> None:
        self._n_readers = n_readers
        self._patience_s = patience_s
        self._per_caller = max(1, n_readers - 1)
        self._changed = threading.Condition()
        self._reading: Counter[str] = Counter()
        self._n_waiting = 0

    @contextmanager
    def turn(self, caller: str) -> Iterator[None]:
        """Wait for a turn, at most the patience. Raises Busy."""
        self._begin(caller)
        try:
            yield
        finally:
            with self._changed:
                self._reading[caller] -= 1
                self._reading += Counter()  # drops callers that read nothing
                self._changed.notify_all()

    def _begin(self, caller: str) -> None:
        deadline = time.monotonic() + self._patience_s
        with self._changed:
            if not self._is_free(caller):
                if self._n_waiting >= self._n_readers:
                    raise self._busy(caller)
                self._n_waiting += 1
                try:
                    while not self._is_free(caller):
                        if not self._changed.wait(deadline - time.monotonic()):
                            raise self._busy(caller)
                finally:
                    self._n_waiting -= 1
            self._reading[caller] += 1

    def _is_free(self, caller: str) -> bool:
        return self._reading.total() < self._n_readers and self._reading[caller] < self._per_caller

    def _busy(self, caller: str) -> Busy:
        return Busy(own=self._reading[caller] >= self._per_caller)


def person(user: User) -> str:
    """The caller that counts: a person with all tokens."""
    return f"person {user.pk}"


_turns = Turns(settings.GLMR_READERS, PATIENCE_S)
turn = _turns.turn


def start() -> None:
    """Start the warm process before the first file, without waiting for it."""
    _server.start()


def cpu_budget_s(path: Path) -> int:
    """Seconds of processor time for reading a file, in proportion to its size.

    A compressed file counts as ten times its size, because it must not buy hours with a few kilobytes.
    """
    with path.open("rb") as stream:
        compressed = stream.read(4).startswith(_COMPRESSED)
    n_bytes = path.stat().st_size * (_LIKELY_COMPRESSION if compressed else 1)
    budget = settings.GLMR_PARSE_BASE_S + settings.GLMR_PARSE_S_PER_MIB * n_bytes / MIB
    return min(settings.GLMR_PARSE_TIMEOUT_S, max(1, round(budget)))


def read(
    path: Path, grouping: GroupingSettings, table: reading.Table | None = None
) -> Iterator[reading.Item]:
    """The items of the file, read in a child process with the quantification `table` if there is one.

    The message of an IsolationError names the limit.
    """
    limits = ReadLimits(
        max_file_bytes=settings.GLMR_MAX_DECOMPRESSED_BYTES,
        max_spectra=settings.GLMR_MAX_SPECTRA_PER_UPLOAD,
        max_peaks_per_spectrum=settings.GLMR_MAX_PEAKS_PER_SPECTRUM,
    )
    cpu_s = min(
        cpu_budget_s(path) + (cpu_budget_s(table.path) if table else 0), settings.GLMR_PARSE_TIMEOUT_S
    )
    try:
        yield from run_bounded(
            reading.read,
            path,
            limits,
            grouping,
            table,
            memory_bytes=settings.GLMR_PARSE_MEMORY_BYTES,
            cpu_seconds=cpu_s,
            wall_seconds=settings.GLMR_PARSE_TIMEOUT_S,
            server=_server,
        )
    except IsolationError as error:
        raise IsolationError(error.kind, _explained(error, cpu_s), error.detail) from error


def _explained(error: IsolationError, cpu_s: int) -> str:
    if error.kind != "time":
        return f"{error} Split it into smaller files, or export it again."
    return (
        f"{error} A file of this size may use {cpu_s} s of processor time. Split it into smaller files, or "
        "ask the administrator to raise GLMR_PARSE_S_PER_MIB and GLMR_PARSE_TIMEOUT_S."
    )
