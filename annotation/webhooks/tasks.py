"""The Celery side of webhooks: the task behind their doorbell. The process `sender` runs it."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from celery.signals import worker_ready, worker_shutting_down
from django.db import Error, connection

from annotation.webhooks import ledger
from glmr_server.celery import WEBHOOK_TASK, app, ring_webhooks

log = logging.getLogger(__name__)

# Requests at the same time, so that a receiver that hangs delays no other.
SENDERS = 8
# After this time the task returns, so that the process can answer the heartbeat of the broker.
LONGEST_TASK_S = 30.0

_stopping = threading.Event()


@app.task(name=WEBHOOK_TASK)
def send_webhooks() -> None:
    """Deliver until nothing is due, and forget what is too old."""
    ends_at = time.monotonic() + LONGEST_TASK_S
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook") as pool:
        list(pool.map(_deliver_until, [ends_at] * SENDERS))
    if time.monotonic() > ends_at:
        ring_webhooks()
    ledger.forget_old()


def _deliver_until(ends_at: float) -> None:
    """Errors of the database are logged: what was not recorded is due again after its lease."""
    try:
        while not _stopping.is_set() and time.monotonic() < ends_at and ledger.deliver_next():
            pass
    except Error as error:
        log.warning("Webhooks could not be delivered: %s", error)
    finally:
        connection.close()


@worker_ready.connect
def begin(**_: object) -> None:
    ring_webhooks()  # deliveries may have waited


@worker_shutting_down.connect
def wind_down(**_: object) -> None:
    _stopping.set()
