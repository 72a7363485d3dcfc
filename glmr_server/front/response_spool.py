"""Carries a response from the thread that makes it to the event loop that sends it.

The thread writes as fast as it can and ends; a slow client costs a temporary file. Only a client that is very
far behind makes the thread wait, and for a limited time.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import deque
from typing import IO

from glmr_server.front.limits import MEMORY_BYTES

# Unsent bytes at which the thread waits, and for how long it waits for any progress.
_BACKLOG_BYTES = 2**30
_PATIENCE_S = 60.0
_READ_BYTES = 256 * 2**10


class ResponseAbandoned(Exception):
    """Nobody reads the response any more, so it need not be finished."""


class ResponseSpool:
    """Bytes in order, written by one thread and read by one coroutine."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready = asyncio.Event()
        self._changed = threading.Condition()
        self._memory: deque[bytes] = deque()
        self._memory_bytes = 0
        self._file: IO[bytes] | None = None
        self._read_at = 0
        self._write_at = 0
        self._ended = False
        self._abandoned = False

    def write(self, data: bytes) -> None:
        """Add bytes. Raises ResponseAbandoned."""
        with self._changed:
            while not self._abandoned and self._write_at - self._read_at > _BACKLOG_BYTES:
                if not self._changed.wait(_PATIENCE_S):
                    raise ResponseAbandoned
            if self._abandoned:
                raise ResponseAbandoned
            spilled = self._write_at > self._read_at  # order: the file is behind everything in memory
            if not spilled and self._memory_bytes + len(data) <= MEMORY_BYTES:
                self._memory.append(data)
                self._memory_bytes += len(data)
            else:
                self._write_file(data)
        self._wake()

    def end(self) -> None:
        with self._changed:
            self._ended = True
        self._wake()

    async def read(self) -> tuple[bytes, bool]:
        """The next bytes, and whether they are the last. Raises ResponseAbandoned."""
        while True:
            self._ready.clear()
            with self._changed:
                if self._abandoned:
                    raise ResponseAbandoned
                data, last = self._take()
                self._changed.notify_all()
            if data or last:
                return data, last
            await self._ready.wait()

    def abandon(self) -> None:
        """Stop both sides. Harmless after the end."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        self._wake()

    def close(self) -> None:
        self.abandon()
        with self._changed:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _take(self) -> tuple[bytes, bool]:
        if self._memory:
            data = b"".join(self._memory)
            self._memory.clear()
            self._memory_bytes = 0
        elif self._file is not None and self._write_at > self._read_at:
            self._file.seek(self._read_at)
            data = self._file.read(min(_READ_BYTES, self._write_at - self._read_at))
            self._read_at += len(data)
            if self._read_at == self._write_at:
                self._file.truncate(0)
                self._read_at = self._write_at = 0
        else:
            data = b""
        return data, self._ended and self._write_at == self._read_at

    def _write_file(self, data: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="glmr-response-")  # noqa: SIM115, `close` ends it
        self._file.seek(self._write_at)
        self._file.write(data)
        self._write_at += len(data)

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)
