"""The worker's heartbeat: a thread that shows life, renews the lease of the batch in hand, frees dead ones.

It has its own database connection and touches no torch: it beats while the main thread computes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from django.db import Error, connection

from annotation.jobs import heartbeat, ledger
from annotation.jobs.heartbeat import SignOfLife
from annotation.jobs.ledger import Batch

log = logging.getLogger(__name__)

# A batch held longer than this hangs in native code: let its lease run out, so that another worker takes it.
LONGEST_BATCH_S = 1800.0


class HeartbeatThread(threading.Thread):
    def __init__(self, sign: SignOfLife) -> None:
        super().__init__(name="pulse", daemon=True)
        self._sign = sign
        self._batch: Batch | None = None
        self._held_since = 0.0
        self._stop_asked = threading.Event()
        # Three beats a lease at least, so that one slow statement loses nothing.
        self._interval_s = min(settings.GLMR_HEARTBEAT_S, settings.GLMR_LEASE_S / 3)

    def hold(self, batch: Batch) -> None:
        self._batch, self._held_since = batch, time.monotonic()

    def let_go(self) -> None:
        self._batch = None

    @property
    def model_version_id(self) -> int | None:
        """What the worker was last heard to hold."""
        return self._sign.model_version_id

    def say(self, activity: str, *, problem: str = "", model_version_id: int | None = None) -> None:
        """What the next beat shows."""
        self._sign = replace(
            self._sign, activity=activity, problem=problem, model_version_id=model_version_id
        )

    def run(self) -> None:
        try:
            self._guarded(heartbeat.forget_old)
            while not self._stop_asked.is_set():
                self._guarded(self.beat)
                self._stop_asked.wait(self._interval_s)
            self._guarded(lambda: heartbeat.stop(self._sign.worker))
        finally:
            connection.close()

    def beat(self) -> None:
        heartbeat.beat(self._sign)
        batch = self._batch
        if batch is not None and time.monotonic() - self._held_since < LONGEST_BATCH_S:
            ledger.renew(batch)
        ledger.release_expired()

    def finish(self) -> None:
        self._stop_asked.set()
        self.join(timeout=10)

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Error as error:
            # The database may be away for a while; the beat must not die of it.
            log.warning("The heartbeat could not be written: %s", error)
            connection.close()
