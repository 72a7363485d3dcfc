"""The Celery side: the doorbell's task, and the signals that begin and end a worker process."""

from __future__ import annotations

import time
from functools import cache

from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from annotation.jobs.heartbeat import SignOfLife
from glmr_server.celery import DRAIN_TASK, app, ring
from worker.heartbeat_thread import HeartbeatThread
from worker.runtime import runtime
from worker.work import Work

# Between turns the process answers its broker, whose own heartbeat would else take the worker for dead.
TURN_S = 30.0


@cache
def pulse() -> HeartbeatThread:
    return HeartbeatThread(SignOfLife(worker=runtime.name, device=runtime.device_name))


@cache
def work() -> Work:
    return Work(runtime, pulse())


@app.task(name=DRAIN_TASK)
def drain() -> None:
    """Work until nothing is left, the worker is told to stop, or the turn is over and the bell rung again."""
    turn_ends = time.monotonic() + TURN_S
    while not runtime.stopping.is_set() and work().step():
        if time.monotonic() > turn_ends and ring():
            return


@worker_ready.connect
def begin(**_: object) -> None:
    pulse().start()
    ring()  # work may have waited for a worker


@worker_shutting_down.connect
def wind_down(**_: object) -> None:
    runtime.stopping.set()


@worker_shutdown.connect
def end(**_: object) -> None:
    pulse().finish()
