"""A thread that renews the lease of work in progress, with its own connection to the database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import Error, connection

log = logging.getLogger(__name__)


class LeaseThread(threading.Thread):
    """Calls `renew` every few seconds until the block ends. The lease is lost if `renew` returns False."""

    def __init__(self, name: str, renew: Callable[[], bool], every_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._renew = renew
        self._every_s = every_s
        self._ended = threading.Event()
        self.is_lost = False

    def __enter__(self) -> LeaseThread:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(timeout=10)

    def run(self) -> None:
        try:
            while not self._ended.wait(self._every_s):
                try:
                    self.is_lost = not self._renew()
                except Error as error:
                    log.warning("The %s could not be renewed: %s", self.name, error)
                    connection.close()
        finally:
            connection.close()
