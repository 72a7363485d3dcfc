"""Functions that store webhooks and events."""

from __future__ import annotations

from typing import Any

from annotation.models import Webhook, WebhookDelivery
from annotation.webhooks.models import EventKind, new_secret
from annotation.webhooks.outbox import emit_to
from tests.annotation.builders import make_project

ALL_EVENTS = [value for value, _ in EventKind.subscribable()]


def make_webhook(**overrides: Any) -> Webhook:
    fields: dict[str, Any] = {
        "url": "https://lims.example.org/hooks",
        "events": ALL_EVENTS,
        "secret": new_secret(),
    }
    fields |= {} if "project" in overrides else {"project": make_project()}
    return Webhook.objects.create(**(fields | overrides))


def make_delivery(webhook: Webhook) -> WebhookDelivery:
    return emit_to(webhook, EventKind.TEST, {"text": "Grüße"})
