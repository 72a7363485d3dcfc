"""Pages of a project's managers: webhooks, what was sent to them, and sending again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from annotation.web import scope
from annotation.web.project_forms import OverlapForm, WebhookForm
from annotation.web.scope import SignedInRequest
from annotation.webhooks import actions, ledger
from annotation.webhooks.models import Webhook, WebhookDelivery

DELIVERIES_PER_PAGE = 20


@login_required
def webhooks(request: SignedInRequest, slug: str) -> HttpResponse:
    """The webhooks of the project, and the form for a new one, whose secret is shown once."""
    project = scope.managed_project(request.user, slug)
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            webhook = actions.add(project=project, by=request.user, **form.cleaned_data)
        except actions.InvalidWebhook as invalid:
            form.add_error(invalid.field or None, invalid.reason)
        else:
            return _page(request, webhook, secret=webhook.secret)
    rows = Webhook.objects.filter(project=project)
    return render(request, "annotation/webhooks.html", {"project": project, "form": form, "webhooks": rows})


@login_required
def webhook(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    """One webhook with its state and its deliveries, and the form that changes it."""
    shown = _webhook_or_404(request, slug, public_id)
    if request.method != "POST":
        return _page(request, shown)
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            actions.change(shown, **form.cleaned_data)
        except actions.InvalidWebhook as invalid:
            form.add_error(invalid.field or None, invalid.reason)
        else:
            messages.success(request, "The webhook is changed.")
            return redirect("webhook", slug, public_id)
    return _page(request, shown, form=form)


@login_required
@require_POST
def rotate_secret(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    shown, form = _webhook_or_404(request, slug, public_id), OverlapForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"The overlap: {' '.join(map(str, form.errors['overlap_hours']))}")
        return redirect("webhook", slug, public_id)
    secret = actions.rotate_secret(shown, timedelta(hours=form.cleaned_data["overlap_hours"]))
    return _page(request, shown, secret=secret)


@login_required
@require_POST
def send_test(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    shown = _webhook_or_404(request, slug, public_id)
    try:
        delivery = actions.send_test(shown, request.user)
    except actions.InvalidWebhook as refusal:
        messages.error(request, refusal.reason)
        return redirect("webhook", slug, public_id)
    return redirect("webhook-delivery", slug, delivery.public_id)


@login_required
@require_POST
def enable(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    return _do(request, slug, public_id, actions.enable, "The webhook is enabled. What waits is sent now.")


@login_required
@require_POST
def disable(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    def switch_off(shown: Webhook) -> None:
        actions.disable(shown, request.user)

    return _do(request, slug, public_id, switch_off, "The webhook is disabled. It gets nothing.")


def _do(
    request: SignedInRequest, slug: str, public_id: UUID, act: Callable[[Webhook], None], done: str
) -> HttpResponse:
    act(_webhook_or_404(request, slug, public_id))
    messages.success(request, done)
    return redirect("webhook", slug, public_id)


@login_required
@require_POST
def remove(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    actions.remove(_webhook_or_404(request, slug, public_id))
    messages.success(request, "The webhook is deleted.")
    return redirect("webhooks", slug)


@login_required
def delivery(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    """One message with its body and all tries."""
    shown = _delivery_or_404(request, slug, public_id)
    context = {"project": shown.webhook.project, "delivery": shown, "tries": shown.tries.all()}
    return render(request, "annotation/webhook_delivery.html", context)


@login_required
@require_POST
def replay(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    shown = _delivery_or_404(request, slug, public_id)
    ledger.replay(shown)
    messages.success(request, "The message is sent again. Load the page again to see what came of it.")
    return redirect("webhook-delivery", slug, public_id)


def _webhook_or_404(request: SignedInRequest, slug: str, public_id: UUID) -> Webhook:
    project = scope.managed_project(request.user, slug)
    return get_object_or_404(Webhook.objects.select_related("project"), project=project, public_id=public_id)


def _delivery_or_404(request: SignedInRequest, slug: str, public_id: UUID) -> WebhookDelivery:
    project = scope.managed_project(request.user, slug)
    rows = WebhookDelivery.objects.in_projects(project).select_related("event", "webhook__project")
    return get_object_or_404(rows, public_id=public_id)


def _page(
    request: SignedInRequest, shown: Webhook, *, form: WebhookForm | None = None, secret: str = ""
) -> HttpResponse:
    rows = WebhookDelivery.objects.filter(webhook=shown).select_related("event").order_by("-pk")
    context: dict[str, Any] = {
        "project": shown.project,
        "webhook": shown,
        "form": form or WebhookForm.of(shown),
        "overlap": OverlapForm(),
        "page": Paginator(rows, DELIVERIES_PER_PAGE).get_page(request.GET.get("page")),
        "secret": secret,
    }
    return render(request, "annotation/webhook.html", context)
