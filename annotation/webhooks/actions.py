"""What managers do with webhooks: add, change, remove, rotate the secret, send a test event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotation.accounts import audit
from annotation.accounts.models import AuditEvent, Project
from annotation.plain_text import clean
from annotation.webhooks import ledger, outbox
from annotation.webhooks.models import EventKind, Webhook, WebhookDelivery, new_secret
from annotation.webhooks.targets import ForbiddenTarget, read_target

SECRET_OVERLAP = timedelta(days=1)
# More would only multiply requests.
MAX_PER_PROJECT = 20


class InvalidWebhook(Exception):
    """Nothing was changed. `field` names the part of the request, `reason` says how to fix it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@transaction.atomic
def add(
    *, project: Project, url: str, events: Sequence[str], by: User | None, description: str = ""
) -> Webhook:
    """A new webhook. Its secret is in `secret`; show it once. Raises InvalidWebhook."""
    _check(url, events)
    Project.objects.select_for_update().get(pk=project.pk)  # so that the limit holds
    if Webhook.objects.filter(project=project).count() >= MAX_PER_PROJECT:
        raise InvalidWebhook("", f"The project has {MAX_PER_PROJECT} webhooks, the most. Delete one first.")
    webhook = Webhook.objects.create(
        project=project,
        url=url,
        events=_in_order(events),
        description=clean(description, 200),
        secret=new_secret(),
        created_by=by,
    )
    _record(webhook, f"added for {', '.join(webhook.events)}")
    return webhook


@transaction.atomic
def change(
    webhook: Webhook,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
) -> None:
    """Change what is given. Raises InvalidWebhook."""
    changes: dict[str, object] = {}
    new_url, new_events = (
        url if url is not None else webhook.url,
        events if events is not None else webhook.events,
    )
    _check(new_url, new_events)
    if new_url != webhook.url:
        changes["url"] = new_url
    if (ordered := _in_order(new_events)) != webhook.events:
        changes["events"] = ordered
    if description is not None and (cleaned := clean(description, 200)) != webhook.description:
        changes["description"] = cleaned
    if changes:
        Webhook.objects.filter(pk=webhook.pk).update(**changes)
        webhook.refresh_from_db()
        _record(webhook, f"changed: {', '.join(changes)}")


@transaction.atomic
def remove(webhook: Webhook) -> None:
    """Delete the webhook with its deliveries. The audit log keeps its address."""
    _record(webhook, "deleted")
    webhook.delete()


@transaction.atomic
def enable(webhook: Webhook) -> None:
    ledger.enable(webhook)
    webhook.refresh_from_db()
    _record(webhook, "enabled")


@transaction.atomic
def disable(webhook: Webhook, by: User) -> None:
    ledger.disable(webhook, f"{by.get_username()} disabled it.")
    webhook.refresh_from_db()


@transaction.atomic
def rotate_secret(webhook: Webhook, overlap: timedelta = SECRET_OVERLAP) -> str:
    """The new secret; show it once. Until the end of `overlap` the old one signs too."""
    Webhook.objects.filter(pk=webhook.pk).update(
        previous_secret=F("secret"), previous_secret_until=timezone.now() + overlap, secret=new_secret()
    )
    webhook.refresh_from_db()
    _record(
        webhook, f"secret rotated, the old one signs until {webhook.previous_secret_until:%Y-%m-%d %H:%M} UTC"
    )
    return webhook.secret


def send_test(webhook: Webhook, by: User) -> WebhookDelivery:
    """A test event for this webhook alone. Raises InvalidWebhook if it is disabled."""
    if webhook.disabled_at is not None:
        raise InvalidWebhook("", "The webhook is disabled and sends nothing. Enable it first.")
    data = {"webhook_id": str(webhook.public_id), "sent_by": by.get_username(), "text": "This is a test."}
    return outbox.emit_to(webhook, EventKind.TEST, data)


def _check(url: str, events: Sequence[str]) -> None:
    try:
        read_target(url)
    except ForbiddenTarget as refusal:
        raise InvalidWebhook("url", str(refusal)) from None
    known = dict(EventKind.subscribable())
    if not events:
        raise InvalidWebhook("events", "Choose at least one kind of event.")
    if unknown := [event for event in events if event not in known]:
        raise InvalidWebhook("events", f"Unknown: {unknown[0]!r}. Choose from: {', '.join(known)}.")


def _in_order(events: Sequence[str]) -> list[str]:
    return [kind for kind, _ in EventKind.subscribable() if kind in events]


def _record(webhook: Webhook, detail: str) -> None:
    audit.record(
        AuditEvent.Kind.WEBHOOK_CHANGED, subject=webhook.url, project=webhook.project.slug, detail=detail
    )
