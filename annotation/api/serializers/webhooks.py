"""Webhooks in the REST interface: how they are made and changed, and what was sent."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from annotation.api.serializers.accounts import LONGEST_OVERLAP_HOURS, PROJECT_FIELD_HELP
from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.webhooks.actions import SECRET_OVERLAP
from annotation.webhooks.models import EventKind, Webhook, WebhookAttempt, WebhookDelivery
from annotation.webhooks.targets import LONGEST_URL

EVENTS = EventKind.subscribable()
URL_HELP = "https:// and a public host, or what the administrator allows in GLMR_WEBHOOK_ALLOW."


class WebhookChangeSerializer(serializers.Serializer[Any]):
    """What a webhook is changed to. What is missing stays."""

    url = serializers.CharField(max_length=LONGEST_URL, help_text=URL_HELP)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENTS), min_length=1, max_length=len(EVENTS)
    )
    description = serializers.CharField(max_length=200, allow_blank=True, default="")


@extend_schema_serializer(component_name="Webhook")  # as a request: WebhookRequest
class WebhookInputSerializer(WebhookChangeSerializer):
    """A new webhook."""

    project = serializers.CharField(max_length=80, allow_blank=True, default="", help_text=PROJECT_FIELD_HELP)


class WebhookSerializer(ReadOnlyModelSerializer[Webhook]):
    """An address that gets a signed request for each event of a project that it wants."""

    id = serializers.UUIDField(source="public_id")
    project = serializers.CharField(source="project.slug")
    events = serializers.ListField(child=serializers.ChoiceField(choices=EVENTS))
    disabled_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is enabled.")
    disabled_reason = serializers.CharField()
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="The first failure after the last success. Null if it works."
    )
    previous_secret_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then, messages are signed with the secret before the rotation too."
    )

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = (
            "id",
            "project",
            "url",
            "description",
            "events",
            "created_at",
            "disabled_at",
            "disabled_reason",
            "failing_since",
            "previous_secret_until",
        )


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with a new secret."""

    secret = serializers.CharField(help_text="Shown only in this answer. Receivers verify messages with it.")

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")


class SecretRotationSerializer(serializers.Serializer[Any]):
    """How the secret of a webhook is rotated."""

    overlap_hours = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        default=SECRET_OVERLAP.days * 24,
        help_text="How long the old secret signs too.",
    )


class WebhookDeliverySerializer(ReadOnlyModelSerializer[WebhookDelivery]):
    """A message to a webhook, and how far it came."""

    id = serializers.UUIDField(source="public_id")
    webhook = serializers.UUIDField(source="webhook.public_id")
    message_id = serializers.CharField(source="event.message_id", help_text="The header `webhook-id`.")
    event = serializers.ChoiceField(source="event.kind", choices=EventKind.choices)
    created_at = serializers.DateTimeField(source="event.created_at")
    state = serializers.ChoiceField(choices=WebhookDelivery.State.choices)

    class Meta:
        model = WebhookDelivery
        fields: tuple[str, ...] = (
            "id",
            "webhook",
            "message_id",
            "event",
            "created_at",
            "state",
            "attempts",
            "next_attempt_at",
            "finished_at",
        )


class WebhookAttemptSerializer(ReadOnlyModelSerializer[WebhookAttempt]):
    """One try. Without `finished_at`, it runs, or its process died and nobody knows whether it arrived."""

    class Meta:
        model = WebhookAttempt
        fields = ("number", "started_at", "finished_at", "status", "error", "answer", "duration_ms")


class WebhookDeliveryDetailSerializer(WebhookDeliverySerializer):
    """A message with its body and all tries."""

    body = serializers.CharField(source="event.body", help_text="The JSON document as it is sent.")
    tries = WebhookAttemptSerializer(many=True)

    class Meta(WebhookDeliverySerializer.Meta):
        fields = (*WebhookDeliverySerializer.Meta.fields, "body", "tries")
