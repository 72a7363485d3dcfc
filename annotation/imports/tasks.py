"""The thread of the process `exporter` that does imports. A long import delays no export.

A library is read in a child process, so the thread mostly waits for it.
"""

from __future__ import annotations

import logging
import threading
from functools import cache

from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.db import Error, connection

from annotation.imports import ledger
from annotation.imports.run import run_next

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0


class ImportThread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="imports", daemon=True)
        self.stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self._do_all()
                self.stopping.wait(LOOK_EVERY_S)
        finally:
            connection.close()

    def _do_all(self) -> None:
        """Errors are logged, and the thread goes on: the lease returns what was not finished."""
        try:
            ledger.expire()
            while not self.stopping.is_set() and run_next(stopping=self.stopping.is_set):
                pass
        except Error as error:
            log.warning("An import was interrupted: %s", error)
            connection.close()
        except Exception:
            log.exception("An import was interrupted")
            connection.close()


@cache
def imports() -> ImportThread:
    return ImportThread()


@worker_ready.connect
def begin(**_: object) -> None:
    imports().start()


@worker_shutting_down.connect
def wind_down(**_: object) -> None:
    imports().stopping.set()


@worker_shutdown.connect
def end(**_: object) -> None:
    imports().join(timeout=10)
