"""The thread that writes the heartbeat, renews the lease of the current batch, and releases expired leases.

It has a separate database connection and does not use torch, so it beats while the main thread computes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from django.conf import settings
from django.db import Error, connection

from annotation.jobs import heartbeat, ledger
from annotation.jobs.heartbeat import Heartbeat
from annotation.jobs.ledger import Batch

log = logging.getLogger(__name__)

# A batch that takes longer hangs in native code. Let its lease expire, so that another worker takes it.
LONGEST_BATCH_S = 1800.0


class HeartbeatThread(threading.Thread):
    def __init__(self, status: Heartbeat) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._status = status
        self._batch: Batch | None = None
        self._held_since = 0.0
        self._rang_at = time.monotonic()
        self._stop_requested = threading.Event()
        # At least three beats per lease, so that one slow statement loses nothing.
        self._interval_s = min(settings.GLMR_HEARTBEAT_S, settings.GLMR_LEASE_S / 3)

    def hold(self, batch: Batch) -> None:
        self._batch, self._held_since = batch, time.monotonic()

    def release(self) -> None:
        self._batch = None

    @property
    def model_version_id(self) -> int | None:
        """The model that the last heartbeat reported."""
        return self._status.model_version_id

    def hear_ring(self) -> None:
        """Call it when the doorbell reaches the worker."""
        self._rang_at = time.monotonic()

    def report(
        self,
        activity: str,
        *,
        problem: str = "",
        cannot_load: Iterable[int] = (),
        model_version_id: int | None = None,
    ) -> None:
        """What the next heartbeat contains."""
        self._status = replace(
            self._status,
            activity=activity,
            problem=problem,
            cannot_load=tuple(sorted(cannot_load)),
            model_version_id=model_version_id,
        )

    def run(self) -> None:
        try:
            self._guarded(heartbeat.forget_old)
            while not self._stop_requested.is_set():
                self._guarded(self.beat)
                self._stop_requested.wait(self._interval_s)
            self._guarded(lambda: heartbeat.stop(self._status.worker))
        finally:
            connection.close()

    def beat(self) -> None:
        heartbeat.beat(replace(self._status, silence_s=time.monotonic() - self._rang_at))
        batch = self._batch
        if batch is not None and time.monotonic() - self._held_since < LONGEST_BATCH_S:
            ledger.renew(batch)
        ledger.release_expired()

    def finish(self) -> None:
        self._stop_requested.set()
        self.join(timeout=10)

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Error as error:
            # The database may be away for a while. The thread must survive that.
            log.warning("The heartbeat could not be written: %s", error)
            connection.close()
