"""The Celery application: it only rings a doorbell.

Messages carry no work. PostgreSQL is the job ledger, so a lost or duplicate message changes nothing.
"""

from __future__ import annotations

import logging
import os

from celery import Celery
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "glmr_server.settings")

from django.conf import settings

log = logging.getLogger(__name__)

# The web side refers to the worker only by these names.
DRAIN_TASK = "worker.drain"
WORK_QUEUE = "glmr.work"
WORKER_MODULES = "worker.tasks"  # given to the worker with --include, never imported from here
# Exports have their own queue and process: a long export never delays an annotation.
EXPORT_TASK = "exports.build"
EXPORT_QUEUE = "glmr.exports"
EXPORT_MODULES = "annotation.exports.tasks,annotation.imports.tasks"  # a thread of the process does imports
# Webhooks too: a receiver that hangs delays neither. Only this process has to reach other networks.
WEBHOOK_TASK = "webhooks.send"
WEBHOOK_QUEUE = "glmr.webhooks"
WEBHOOK_MODULES = "annotation.webhooks.tasks"


def _transport_options(broker_url: str) -> dict[str, object]:
    if broker_url.startswith("amqp"):
        # Without confirms RabbitMQ drops a message silently when it is short of memory.
        return {"confirm_publish": True, "max_retries": 1, "interval_start": 0, "interval_max": 0.5}
    return {
        # Messages are acknowledged on receipt, so redelivery hardly matters. An hour is kombu's default.
        "visibility_timeout": 3600,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "max_retries": 1,
        "interval_start": 0,
        "interval_max": 0.5,
    }


app = Celery("glmr_server")
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_transport_options=_transport_options(settings.BROKER_URL),
    broker_connection_timeout=3,
    # The broker may be away for any length of time: the ledger keeps the work.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    result_backend=None,
    task_ignore_result=True,
    accept_content=["json"],
    task_serializer="json",
    task_default_queue=WORK_QUEUE,
    task_create_missing_queues=False,
    task_queues={
        name: {"exchange": name, "routing_key": name} for name in (WORK_QUEUE, EXPORT_QUEUE, WEBHOOK_QUEUE)
    },
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    # A stop waits for the current mini-batch. Leases return what was not finished.
    worker_soft_shutdown_timeout=20.0,
    timezone="UTC",
    beat_schedule={
        "ring-for-pending-and-expired-items": {
            "task": DRAIN_TASK,
            "schedule": float(settings.GLMR_RING_S),
            # A ring that no worker received in time is useless: the next one replaces it.
            "options": {"queue": WORK_QUEUE, "expires": float(settings.GLMR_RING_S)},
        },
        "ring-for-waiting-and-expired-exports": {
            "task": EXPORT_TASK,
            "schedule": float(settings.GLMR_RING_S),
            "options": {"queue": EXPORT_QUEUE, "expires": float(settings.GLMR_RING_S)},
        },
        "ring-for-webhooks": {
            "task": WEBHOOK_TASK,
            "schedule": float(settings.GLMR_RING_S),
            "options": {"queue": WEBHOOK_QUEUE, "expires": float(settings.GLMR_RING_S)},
        },
    },
)


def ring() -> bool:
    """Tell the workers that there is work; call it after the commit.

    False if no broker answered, which only delays the work until the next beat.
    """
    return _ring(DRAIN_TASK, WORK_QUEUE)


def ring_exports() -> bool:
    """The same for the process that builds exports."""
    return _ring(EXPORT_TASK, EXPORT_QUEUE)


def ring_webhooks() -> bool:
    """The same for the process that sends webhooks."""
    return _ring(WEBHOOK_TASK, WEBHOOK_QUEUE)


def _ring(task: str, queue: str) -> bool:
    try:
        app.send_task(task, queue=queue, ignore_result=True)
    except OperationalError as problem:
        log.warning("The broker did not answer (%s); the work waits for the next ring.", problem)
        return False
    return True
