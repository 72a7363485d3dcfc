"""Reads the body of a request within a deadline. Small bodies stay in memory, others go to a file."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import IO, Any

from glmr_server.front.limits import MEMORY_BYTES, Limits, now

Receive = Callable[[], Awaitable[Any]]
_WRITE_BYTES = 2**20


class BodyLate(Exception):
    """The deadline has passed."""


class BodyTooLarge(Exception):
    """More bytes than allowed. `n_bytes` have arrived or were announced."""

    def __init__(self, n_bytes: int) -> None:
        super().__init__(n_bytes)
        self.n_bytes = n_bytes


class SpoolFull(Exception):
    """The temporary files of all bodies, or of this address, have reached their limit."""


class ClientGone(Exception):
    """The client closed the connection."""


class SpoolAccount:
    """Bytes in temporary files of one process. One address gets at most half of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._by_address: Counter[str] = Counter()

    def take(self, address: str, n_bytes: int) -> None:
        """Raises SpoolFull."""
        own = self._by_address[address] + n_bytes
        if self._total + n_bytes > self._limit or own > self._limit // 2:
            raise SpoolFull
        self._total += n_bytes
        self._by_address[address] = own

    def give_back(self, address: str, n_bytes: int) -> None:
        self._total -= n_bytes
        self._by_address[address] -= n_bytes
        if self._by_address[address] <= 0:
            del self._by_address[address]


class RequestBody:
    """The body of one request. Call `close` in any case."""

    def __init__(self, address: str, account: SpoolAccount, disk: Executor) -> None:
        self.n_bytes = 0
        self._address = address
        self._account = account
        self._disk = disk
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._taken = 0

    async def read(self, receive: Receive, largest: int, limits: Limits) -> None:
        """Read it to its end. Raises BodyLate, BodyTooLarge, SpoolFull or ClientGone."""
        started = now()
        more = True
        while more:
            try:
                async with asyncio.timeout_at(limits.body_deadline(started, self.n_bytes)):
                    message = await receive()
            except TimeoutError:
                raise BodyLate from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            more = message.get("more_body", False)
            self.n_bytes += len(chunk)
            if self.n_bytes > largest:
                raise BodyTooLarge(self.n_bytes)
            self._memory += chunk
            if len(self._memory) > (MEMORY_BYTES if self._file is None else _WRITE_BYTES):
                await self._spill()
        if self._file is not None:
            await self._spill()

    def stream(self) -> IO[bytes]:
        """The body from its start."""
        if self._file is None:
            return io.BytesIO(self._memory)
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._account.give_back(self._address, self._taken)
        self._taken = 0

    async def _spill(self) -> None:
        """A slow disk must not stop the event loop, so a thread writes."""
        chunk, self._memory = self._memory, bytearray()
        self._account.take(self._address, len(chunk))
        self._taken += len(chunk)
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="glmr-body-")  # noqa: SIM115, `close` ends it
        await asyncio.get_running_loop().run_in_executor(self._disk, self._file.write, chunk)
