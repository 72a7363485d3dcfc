"""Whether the message broker answers. Only for display: without it, workers find work a little later."""

from __future__ import annotations

from celery import current_app
from kombu.exceptions import OperationalError


def broker_answers(timeout_s: int = 2) -> bool:
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=timeout_s)
    except (OperationalError, OSError):
        return False
    return True
