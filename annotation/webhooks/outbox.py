"""The outbox: an event is stored in the transaction of what it tells of, so neither exists without the other.

`emit` is called where something happens. It sends nothing. `annotation.webhooks.ledger` delivers later.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from annotation.webhooks.models import EventKind, Webhook, WebhookDelivery, WebhookEvent
from glmr_server import celery

ROWS_PER_INSERT = 2000


@dataclass(frozen=True, slots=True)
class Happened:
    """One event. Without a project it concerns all projects, such as a shared library."""

    project_id: int | None
    data: Mapping[str, Any]


def emit(kind: EventKind, happened: Iterable[Happened]) -> int:
    """Store the events that a webhook wants, and return their number. Needs the transaction of the change.

    One query without webhooks, else three more. `happened` may be lazy: it is read only if somebody listens.
    """
    assert connection.in_atomic_block, "An event must be stored together with what it tells of."
    webhooks = list(Webhook.objects.listening(kind).only("pk", "project_id"))
    return _store(kind, happened, webhooks) if webhooks else 0


def emit_to(webhook: Webhook, kind: EventKind, data: Mapping[str, Any]) -> WebhookDelivery:
    """An event for one webhook, whatever it subscribed to."""
    with transaction.atomic():
        _store(kind, [Happened(webhook.project_id, data)], [webhook])
        return webhook.deliveries.select_related("event").latest("pk")


def is_wanted(kind: EventKind, project_ids: Iterable[int]) -> bool:
    """Whether a webhook of one of the projects wants the kind. One query."""
    return Webhook.objects.listening(kind).filter(project__in=list(project_ids)).exists()


def page_address(path: str) -> str:
    """The full address of a page or resource of this server."""
    return f"{settings.GLMR_PUBLIC_URL.rstrip('/')}/{path.lstrip('/')}"


def _store(kind: EventKind, happened: Iterable[Happened], webhooks: list[Webhook]) -> int:
    of_project: dict[int, list[Webhook]] = defaultdict(list)
    for webhook in webhooks:
        of_project[webhook.project_id].append(webhook)
    pairs: list[tuple[WebhookEvent, list[Webhook]]] = []
    for event in happened:
        receivers = webhooks if event.project_id is None else of_project[event.project_id]
        if receivers:
            pairs.append((_event(kind, event.data), receivers))
    WebhookEvent.objects.bulk_create((event for event, _ in pairs), batch_size=ROWS_PER_INSERT)
    WebhookDelivery.objects.bulk_create(
        (
            WebhookDelivery(event=event, webhook=webhook)
            for event, receivers in pairs
            for webhook in receivers
        ),
        batch_size=ROWS_PER_INSERT,
    )
    if pairs:
        transaction.on_commit(celery.ring_webhooks)
    return len(pairs)


def _event(kind: EventKind, data: Mapping[str, Any]) -> WebhookEvent:
    now = timezone.now()
    body = {"type": kind.value, "timestamp": now.isoformat().replace("+00:00", "Z"), "data": dict(data)}
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
    return WebhookEvent(kind=kind, created_at=now, body=text)
