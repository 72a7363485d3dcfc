"""The state changes of deliveries: claim, record, replay, disable, forget. No other module changes one.

A claim counts the try and moves the next one to the end of a lease. If the process dies between the request
and its record, the delivery is due again then, with the same `webhook-id`: delivered at least once.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from annotation.accounts import audit
from annotation.accounts.models import AuditEvent
from annotation.webhooks import targets, transport
from annotation.webhooks.models import Webhook, WebhookAttempt, WebhookDelivery, WebhookEvent
from annotation.webhooks.transport import Message, Reply
from glmr_server import celery

log = logging.getLogger(__name__)

# The waits after the first, second, … failure in a row: some five days, as the Standard Webhooks advise.
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 5 * 60, 30 * 60, *(hours * 3600 for hours in (1, 2, 5, 10, 14, 20, 24, 24, 24)))
)
# Up to this share longer or shorter, so that what failed together does not come back together.
JITTER = 0.2
LONGEST_RETRY_AFTER = timedelta(days=1)
# Longer than the longest request, so that a try is not repeated while it runs.
LEASE_BEYOND_TIMEOUT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Claim:
    """Proof that a process holds the try with this number."""

    delivery_id: int
    webhook_id: int
    attempt: int
    n_failures: int
    message: Message


def deliver_next(resolve_host: targets.Resolve = targets.resolve) -> bool:
    """Claim a delivery that is due, send it and record the end. False if none is due."""
    held = claim()
    if held is None:
        return False
    record(held, transport.send(held.message, timezone.now(), resolve_host))
    return True


def claim() -> Claim | None:
    """Take the delivery that is due for the longest time. None if there is none."""
    while True:
        with transaction.atomic():
            rows = WebhookDelivery.objects.due().select_for_update(skip_locked=True, of=("self",))
            delivery = rows.select_related("webhook", "event").order_by("next_attempt_at", "pk").first()
            if delivery is None:
                return None
            if _may_try(delivery.webhook):
                return _start(delivery)


def _may_try(webhook: Webhook) -> bool:
    """False if another process tries this failing receiver at the moment.

    It gets one request at a time until it has confirmed one. The pause keeps the others waiting.
    """
    if not webhook.n_failures:
        return True
    awake = Q(paused_until=None) | Q(paused_until__lte=Now())
    return Webhook.objects.filter(awake, pk=webhook.pk).update(paused_until=Now() + _lease()) == 1


def _start(delivery: WebhookDelivery) -> Claim:
    attempt, event, webhook = delivery.attempts + 1, delivery.event, delivery.webhook
    WebhookDelivery.objects.filter(pk=delivery.pk).update(attempts=attempt, next_attempt_at=Now() + _lease())
    WebhookAttempt.objects.create(delivery=delivery, number=attempt)
    message = Message(event.message_id, event.body, webhook.url, tuple(webhook.active_secrets()))
    return Claim(delivery.pk, webhook.pk, attempt, delivery.n_failures, message)


def _lease() -> timedelta:
    return timedelta(seconds=settings.GLMR_WEBHOOK_TIMEOUT_S) + LEASE_BEYOND_TIMEOUT


@transaction.atomic
def record(held: Claim, reply: Reply) -> None:
    """Store the end of the try, and what follows from it for the delivery and its webhook."""
    WebhookAttempt.objects.filter(delivery=held.delivery_id, number=held.attempt).update(
        finished_at=Now(),
        status=reply.status,
        error=reply.error,
        answer=reply.answer,
        duration_ms=reply.duration_ms,
    )
    current = WebhookDelivery.objects.filter(
        pk=held.delivery_id, attempts=held.attempt, state=WebhookDelivery.State.PENDING
    )
    if reply.is_success:
        # Even if a later try runs already: the receiver has the message.
        WebhookDelivery.objects.filter(pk=held.delivery_id, state=WebhookDelivery.State.PENDING).update(
            state=WebhookDelivery.State.DELIVERED, finished_at=Now()
        )
        Webhook.objects.filter(pk=held.webhook_id).update(n_failures=0, failing_since=None, paused_until=None)
        return
    n_failures = held.n_failures + 1
    if n_failures > len(WAITS):
        current.update(state=WebhookDelivery.State.FAILED, n_failures=n_failures, finished_at=Now())
    else:
        current.update(n_failures=n_failures, next_attempt_at=Now() + wait_after(n_failures, reply))
    _count_failure(held.webhook_id, reply)


def wait_after(n_failures: int, reply: Reply | None = None) -> timedelta:
    """The wait after this many failures in a row, at least as long as the receiver asked for."""
    planned = WAITS[min(n_failures, len(WAITS)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    asked = timedelta(seconds=(reply.retry_after_s or 0) if reply else 0)
    return max(planned, min(asked, LONGEST_RETRY_AFTER))


def _count_failure(webhook_id: int, reply: Reply) -> None:
    webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook_id)
    n_failures = webhook.n_failures + 1
    Webhook.objects.filter(pk=webhook_id).update(
        n_failures=n_failures,
        failing_since=Coalesce(F("failing_since"), Now()),
        paused_until=Now() + wait_after(n_failures, reply),
    )
    days = settings.GLMR_WEBHOOK_GIVE_UP_DAYS
    if reply.status == transport.GONE:
        disable(webhook, "The receiver answered 410: it wants no more messages.")
    elif webhook.failing_since is not None and webhook.failing_since < timezone.now() - timedelta(days=days):
        disable(webhook, f"No message was confirmed for {days} days. The last try: {reply.error}")


def disable(webhook: Webhook, reason: str) -> None:
    """Send nothing more until a manager enables it again. What waits stays."""
    if Webhook.objects.filter(pk=webhook.pk, disabled_at=None).update(
        disabled_at=Now(), disabled_reason=reason
    ):
        log.warning("The webhook %s is disabled: %s", webhook.public_id, reason)
        audit.record(
            AuditEvent.Kind.WEBHOOK_DISABLED,
            subject=webhook.url,
            project=webhook.project.slug,
            detail=reason,
        )


def enable(webhook: Webhook) -> None:
    """Send again, beginning with what waits."""
    Webhook.objects.filter(pk=webhook.pk).update(
        disabled_at=None, disabled_reason="", n_failures=0, failing_since=None, paused_until=None
    )
    transaction.on_commit(celery.ring_webhooks)


def replay(delivery: WebhookDelivery) -> None:
    """Deliver it again, now, with all tries. Its `webhook-id` stays, so the receiver may know it."""
    with transaction.atomic():
        WebhookDelivery.objects.filter(pk=delivery.pk).update(
            state=WebhookDelivery.State.PENDING, n_failures=0, next_attempt_at=Now(), finished_at=None
        )
        Webhook.objects.filter(pk=delivery.webhook_id).update(paused_until=None)
        transaction.on_commit(celery.ring_webhooks)


def forget_old(now: datetime | None = None) -> int:
    """Delete ended deliveries after GLMR_WEBHOOK_LOG_DAYS, and events without one. Returns their number."""
    before = (now or timezone.now()) - timedelta(days=settings.GLMR_WEBHOOK_LOG_DAYS)
    old = WebhookDelivery.objects.filter(event__created_at__lt=before).exclude(
        state=WebhookDelivery.State.PENDING, webhook__disabled_at=None
    )
    removed = WebhookDelivery.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:1000])).delete()[0]
    lonely = WebhookEvent.objects.filter(created_at__lt=before, deliveries=None)
    WebhookEvent.objects.filter(pk__in=list(lonely.values_list("pk", flat=True)[:1000])).delete()
    return removed
