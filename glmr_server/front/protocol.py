"""uvicorn's HTTP/1.1 protocol with deadlines for the header and for a client that does not read."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from glmr_server.front.connections import ConnectionTable
from glmr_server.front.limits import Limits, from_settings

log = logging.getLogger(__name__)

_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedHTTP(H11Protocol):
    """One connection. `limits` and `table` belong to the process and are set by `share`."""

    limits: Limits
    table: ConnectionTable

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.address = ""
        self._received = False  # whether a part of the next request has arrived
        self._header_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    @classmethod
    def share(cls, limits: Limits) -> None:
        cls.limits = limits
        cls.table = ConnectionTable(limits, log.warning)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if self.table.admit(self):
            self._wait_for_header(self.limits.header_s)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.remove(self)
        self._stop(self._header_timer)
        self._stop(self._stall_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._received and self._header_timer is not None:
            self._wait_for_header(self.limits.header_s)  # it was idle until now
        self._received = True
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop(self._header_timer)
            self._header_timer = None
            self.table.works(self)

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            self._watch_stall()  # close() waits until the client has read everything
        else:
            self.table.waits(self)
            self._received = False
            self._wait_for_header(self.limits.idle_s)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop(self._stall_timer)
        self._stall_timer = None

    def give_up(self) -> None:
        self.transport.abort()

    def _wait_for_header(self, seconds: float) -> None:
        """Only the first byte changes this deadline, so a header that comes byte by byte ends as well."""
        self._stop(self._header_timer)
        self._header_timer = self.loop.call_later(seconds, self._header_is_late)

    def _header_is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self._received:
            self.transport.write(_TIMEOUT)
        self.transport.close()
        self._watch_stall()

    def _watch_stall(self) -> None:
        self._stop(self._stall_timer)
        self._stall_timer = self.loop.call_later(self.limits.stall_s, self.transport.abort)

    def _stop(self, timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def share_settings() -> None:
    BoundedHTTP.share(from_settings())
