"""The Celery side of exports: the task behind their doorbell. The process `exporter` runs it."""

from __future__ import annotations

import os
import socket
import threading
import time

from celery.signals import worker_ready, worker_shutting_down

from annotation.exports import ledger
from annotation.exports.build import build_next
from glmr_server.celery import EXPORT_TASK, app, ring_exports

# After this time the task returns, so that the process can answer the heartbeat of the broker.
LONGEST_TASK_S = 30.0

_stopping = threading.Event()


@app.task(name=EXPORT_TASK)
def build_exports() -> None:
    """Build exports until none waits, and delete the files whose time is over."""
    ends_at = time.monotonic() + LONGEST_TASK_S
    ledger.expire()
    worker = f"{socket.gethostname()}:{os.getpid()}"
    while not _stopping.is_set() and build_next(worker=worker, stopping=_stopping.is_set):
        if time.monotonic() > ends_at and ring_exports():
            return


@worker_ready.connect
def begin(**_: object) -> None:
    ring_exports()  # exports may have waited


@worker_shutting_down.connect
def wind_down(**_: object) -> None:
    _stopping.set()
