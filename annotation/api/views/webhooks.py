"""Webhooks, what was sent to them, and sending again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken, Role
from annotation.api import openapi
from annotation.api.access import caller, managed_project, projects, require
from annotation.api.addresses import address
from annotation.api.pagination import Pages
from annotation.api.problems import Problem
from annotation.api.serializers.webhooks import (
    NewWebhookSerializer,
    SecretRotationSerializer,
    WebhookChangeSerializer,
    WebhookDeliveryDetailSerializer,
    WebhookDeliverySerializer,
    WebhookInputSerializer,
    WebhookSerializer,
)
from annotation.api.views.base import View
from annotation.webhooks import actions, ledger
from annotation.webhooks.models import Webhook, WebhookDelivery

Scope = ApiToken.Scope


class ManagedView(View):
    """What managers may do, with the scope `webhooks`."""

    read_scopes = frozenset({Scope.WEBHOOKS})
    write_scope = Scope.WEBHOOKS


def webhook_or_404(request: Request, webhook_id: UUID) -> Webhook:
    """404 if the caller cannot see the project, 403 if it does not manage it."""
    webhooks = Webhook.objects.in_projects(projects(request)).select_related("project")
    webhook = get_object_or_404(webhooks, public_id=webhook_id)
    require(request, webhook.project, Scope.WEBHOOKS)
    return webhook


def delivery_or_404(request: Request, delivery_id: UUID) -> WebhookDelivery:
    deliveries = _with_details(WebhookDelivery.objects.in_projects(projects(request)))
    delivery = get_object_or_404(deliveries, public_id=delivery_id)
    require(request, delivery.webhook.project, Scope.WEBHOOKS)
    return delivery


class WebhooksView(ManagedView):
    @extend_schema(
        operation_id="list_webhooks",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(WebhookSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the webhooks of the projects that you manage."""
        webhooks = Webhook.objects.in_projects(projects(request, Role.MANAGER)).select_related("project")
        pages = Pages(("id",))
        return pages.answer(WebhookSerializer(pages.rows(webhooks, request), many=True).data)

    @extend_schema(
        operation_id="create_webhook",
        request={"application/json": WebhookInputSerializer},
        responses={201: NewWebhookSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Add a webhook. Its secret is in this answer only."""
        project = managed_project(request, Scope.WEBHOOKS)
        form = WebhookInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(form.validated_data)
        del values["project"]
        try:
            webhook = actions.add(project=project, by=caller(request), **values)
        except actions.InvalidWebhook as invalid:
            raise _refused(invalid) from None
        headers = {"Location": address(request, "api:webhook", webhook.public_id)}
        return Response(_with_secret(webhook), status=201, headers=headers)


class WebhookView(ManagedView):
    @extend_schema(operation_id="get_webhook", responses={200: WebhookSerializer, **openapi.PROBLEMS})
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """Show a webhook, and whether it works."""
        return Response(WebhookSerializer(webhook_or_404(request, webhook_id)).data)

    @extend_schema(
        operation_id="change_webhook",
        request={"application/json": WebhookChangeSerializer(partial=True)},
        responses={200: WebhookSerializer, **openapi.WRITE_PROBLEMS},
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Change the address, the events or the description of a webhook."""
        webhook = webhook_or_404(request, webhook_id)
        form = WebhookChangeSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        try:
            actions.change(webhook, **form.validated_data)
        except actions.InvalidWebhook as invalid:
            raise _refused(invalid) from None
        return Response(WebhookSerializer(webhook).data)

    @extend_schema(operation_id="delete_webhook", responses={204: None, **openapi.PROBLEMS})
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """Delete a webhook with the list of its deliveries."""
        actions.remove(webhook_or_404(request, webhook_id))
        return Response(status=204)


class WebhookEnableView(ManagedView):
    @extend_schema(
        operation_id="enable_webhook",
        request=None,
        responses={200: WebhookSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send to a disabled webhook again, beginning with what waits."""
        webhook = webhook_or_404(request, webhook_id)
        actions.enable(webhook)
        return Response(WebhookSerializer(webhook).data)


class WebhookSecretView(ManagedView):
    @extend_schema(
        operation_id="rotate_webhook_secret",
        request={"application/json": SecretRotationSerializer},
        responses={200: NewWebhookSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Make a new secret, which is in this answer only. For `overlap_hours` the old one signs too."""
        webhook = webhook_or_404(request, webhook_id)
        form = SecretRotationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        actions.rotate_secret(webhook, timedelta(hours=form.validated_data["overlap_hours"]))
        return Response(_with_secret(webhook))


class WebhookTestView(ManagedView):
    @extend_schema(
        operation_id="test_webhook",
        request=None,
        responses={202: openapi.accepted(WebhookDeliverySerializer), **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Send a test event to a webhook. The delivery shows what came of it."""
        webhook = webhook_or_404(request, webhook_id)
        try:
            delivery = actions.send_test(webhook, caller(request))
        except actions.InvalidWebhook as refusal:
            raise Problem(409, refusal.reason, code="webhook-disabled") from None
        return _accepted(request, delivery)


class WebhookDeliveriesView(ManagedView):
    @extend_schema(
        operation_id="list_webhook_deliveries",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(WebhookDeliverySerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """List the messages to a webhook, newest first."""
        deliveries = _with_details(
            WebhookDelivery.objects.filter(webhook=webhook_or_404(request, webhook_id))
        )
        pages = Pages(("-id",))
        return pages.answer(WebhookDeliverySerializer(pages.rows(deliveries, request), many=True).data)


class WebhookDeliveryView(ManagedView):
    @extend_schema(
        operation_id="get_webhook_delivery",
        responses={200: WebhookDeliveryDetailSerializer, **openapi.PROBLEMS},
    )
    def get(self, request: Request, delivery_id: UUID) -> Response:
        """Show a message with its body and all tries."""
        return Response(WebhookDeliveryDetailSerializer(delivery_or_404(request, delivery_id)).data)


class WebhookReplayView(ManagedView):
    @extend_schema(
        operation_id="replay_webhook_delivery",
        request=None,
        responses={202: openapi.accepted(WebhookDeliverySerializer), **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send a message again, with the same `webhook-id`."""
        delivery = delivery_or_404(request, delivery_id)
        ledger.replay(delivery)
        return _accepted(request, delivery_or_404(request, delivery_id))


def _accepted(request: Request, delivery: WebhookDelivery) -> Response:
    headers = {
        "Location": address(request, "api:webhook-delivery", delivery.public_id),
        "Retry-After": "2",
    }
    return Response(WebhookDeliverySerializer(delivery).data, status=202, headers=headers)


def _with_details(rows: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    return rows.select_related("event", "webhook__project")


def _with_secret(webhook: Webhook) -> dict[str, Any]:
    return {**WebhookSerializer(webhook).data, "secret": webhook.secret}


def _refused(invalid: actions.InvalidWebhook) -> Problem:
    pointer = f"/{invalid.field}" if invalid.field else ""
    return Problem(422, invalid.reason, errors=[{"pointer": pointer, "detail": invalid.reason}])
