"""Webhooks: where a project wants to be told of events, the outbox of events, and each try to deliver one."""

from __future__ import annotations

import base64
import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from annotation.accounts.visibility import OwnedQuerySet

SECRET_BYTES = 32


def new_secret() -> str:
    """A symmetric secret as the Standard Webhooks write it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class EventKind(models.TextChoices):
    """The `type` of a message."""

    JOB_FINISHED = "job.finished", "A job finished"
    FEATURE_FAILED = "feature.failed", "A feature failed"
    VERDICT_MADE = "verdict.made", "A verdict was recorded"
    EXPORT_READY = "export.ready", "An export is ready"
    LIBRARY_PUBLISHED = "library.published", "A library version is ready to use"
    TEST = "webhook.test", "A test that a manager sent"

    @classmethod
    def subscribable(cls) -> list[tuple[str, str]]:
        return [(value, label) for value, label in cls.choices if value != cls.TEST]


class WebhookQuerySet(OwnedQuerySet["Webhook"]):
    def listening(self, kind: EventKind) -> WebhookQuerySet:
        """Enabled webhooks that want events of the kind."""
        return self.filter(disabled_at=None, events__contains=[kind.value])


class Webhook(models.Model):
    """An address that gets a signed request for each event of a project that it wants.

    The secrets are stored as they are, because each message is signed with them. Pages and REST show a secret
    only when it is made.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=list, help_text="The kinds of events that it gets.")
    secret = models.CharField(max_length=100, editable=False)
    # After a rotation both secrets sign until this time.
    previous_secret = models.CharField(max_length=100, blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_reason = models.TextField(blank=True, editable=False)
    # Failures since the last success. They pause all deliveries of the webhook, so that a receiver that is
    # away gets one try at a time, and others do not wait for it.
    n_failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.url

    def active_secrets(self) -> list[str]:
        """The secrets that sign a message now, the newest first."""
        until = self.previous_secret_until
        overlaps = bool(self.previous_secret) and until is not None and until > timezone.now()
        return [self.secret, self.previous_secret] if overlaps else [self.secret]


class WebhookEvent(models.Model):
    """A message of the outbox, stored in the transaction of what it tells of. Never changed."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40, choices=EventKind.choices)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    body = models.TextField(help_text="The JSON document as it is sent, so that all tries send equal bytes.")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"

    @property
    def message_id(self) -> str:
        """The header `webhook-id`: equal in all tries, so that a receiver can drop copies."""
        return f"msg_{self.public_id.hex}"


class DeliveryQuerySet(OwnedQuerySet["WebhookDelivery"]):
    project_lookup = "webhook__project"

    def due(self) -> DeliveryQuerySet:
        """Deliveries whose time has come, of webhooks that are neither disabled nor paused."""
        awake = models.Q(webhook__paused_until=None) | models.Q(webhook__paused_until__lte=Now())
        return self.filter(
            awake,
            state=WebhookDelivery.State.PENDING,
            next_attempt_at__lte=Now(),
            webhook__disabled_at=None,
        )


class WebhookDelivery(models.Model):
    """One event for one webhook. Only `annotation.webhooks.ledger` changes it."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    # Rises with each try, so it is the fence too: only the latest try may record its end.
    attempts = models.PositiveIntegerField(default=0)
    n_failures = models.PositiveIntegerField(default=0, help_text="Since it was made or replayed.")
    # While a try runs this is the end of its lease: if its process dies, the delivery is due again then.
    next_attempt_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "webhook deliveries"
        constraints = [models.UniqueConstraint(fields=["event", "webhook"], name="one_delivery_per_webhook")]
        indexes = [
            models.Index(fields=["webhook", "-id"], name="delivery_list"),
            models.Index(
                fields=["next_attempt_at"], name="delivery_due", condition=models.Q(state="pending")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.webhook_id}"


class WebhookAttempt(models.Model):
    """One try to deliver. Without an end, its process died, and nobody knows whether the message arrived."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the answer.")
    error = models.TextField(blank=True, help_text="Why it failed, and how to fix it.")
    answer = models.TextField(blank=True, help_text="The start of the answer.")
    duration_ms = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="one_row_per_attempt")]

    def __str__(self) -> str:
        return f"try {self.number} of {self.delivery_id}"
