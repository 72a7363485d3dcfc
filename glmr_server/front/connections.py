"""Which connections are open, and which one is closed when a client or the process has too many.

A full address loses its oldest connection without a complete request, so a browser behind the same address as
an attacker still gets through: its requests are complete within milliseconds.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Protocol

from glmr_server.front.limits import Limits


class Connection(Protocol):
    """A connection as the table sees it."""

    address: str

    def give_up(self) -> None:
        """Close it at once. It does not wait for the client."""


class ConnectionTable:
    """All connections of one process. Used by the event loop only."""

    def __init__(self, limits: Limits, say: Callable[[str], None]) -> None:
        self._limits = limits
        self._say = say
        self._open: dict[str, set[Connection]] = defaultdict(set)
        # Without a complete request, from the one that has waited longest. Values are not used.
        self._waiting: dict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)
        self._all_waiting: OrderedDict[Connection, None] = OrderedDict()
        self._n_open = 0

    def __len__(self) -> int:
        return self._n_open

    def admit(self, connection: Connection) -> bool:
        """Count the connection as open and waiting. False: it must be closed, nothing was counted."""
        address, limits = connection.address, self._limits
        full = len(self._open.get(address, ())) >= limits.connections_per_address
        if full and not limits.is_proxy(address) and not self._make_room(self._waiting.get(address), address):
            return False
        if self._n_open >= limits.connections and not self._make_room(self._all_waiting, "all addresses"):
            return False
        self._open[address].add(connection)
        self._n_open += 1
        self.waits(connection)
        return True

    def waits(self, connection: Connection) -> None:
        """The connection has no complete request."""
        self._waiting[connection.address][connection] = None
        self._all_waiting[connection] = None

    def works(self, connection: Connection) -> None:
        """The header of a request of this connection is complete."""
        self._all_waiting.pop(connection, None)
        waiting = self._waiting.get(connection.address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._waiting[connection.address]

    def remove(self, connection: Connection) -> None:
        """The connection is closed. Harmless if it was removed before."""
        opened = self._open.get(connection.address)
        if opened is None or connection not in opened:
            return
        self.works(connection)
        opened.remove(connection)
        self._n_open -= 1
        if not opened:
            del self._open[connection.address]

    def _make_room(self, waiting: OrderedDict[Connection, None] | None, whose: str) -> bool:
        self._say(f"Too many connections of {whose}.")
        if not waiting:
            return False
        oldest = next(iter(waiting))
        self.remove(oldest)
        oldest.give_up()
        return True
