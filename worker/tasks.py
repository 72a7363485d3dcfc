"""The Celery side: the task behind the doorbell, and the signals that start and stop a worker process."""

from __future__ import annotations

import time
from functools import cache

from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings

from annotation.jobs.heartbeat import Heartbeat
from glmr_server.celery import DRAIN_TASK, app, ring
from worker.heartbeat_thread import HeartbeatThread
from worker.mail_thread import MailThread
from worker.runtime import runtime
from worker.work import Work

# After this time the task returns, so that the process can answer the heartbeat of the broker.
LONGEST_TASK_S = 30.0


@cache
def heartbeat() -> HeartbeatThread:
    return HeartbeatThread(Heartbeat(worker=runtime.name, device=runtime.device_name))


@cache
def work() -> Work:
    return Work(runtime, heartbeat())


@cache
def mails() -> MailThread:
    return MailThread()


@app.task(name=DRAIN_TASK)
def drain() -> None:
    """Work until no work is left, the worker has to stop, or the time is over and the bell is rung again."""
    heartbeat().hear_ring()
    ends_at = time.monotonic() + LONGEST_TASK_S
    while not runtime.stopping.is_set() and work().step():
        if time.monotonic() > ends_at and ring():
            break
    heartbeat().hear_ring()  # a ring that came during the work waited for its end


@worker_ready.connect
def begin(**_: object) -> None:
    heartbeat().start()
    if settings.SENDS_MAIL:
        mails().start()
    ring()  # work may have waited for a worker


@worker_shutting_down.connect
def wind_down(**_: object) -> None:
    runtime.stopping.set()


@worker_shutdown.connect
def end(**_: object) -> None:
    heartbeat().finish()
    if settings.SENDS_MAIL:
        mails().finish()
