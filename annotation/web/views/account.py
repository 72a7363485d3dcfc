"""Pages about the signed-in person: password, sessions, API tokens, time zone."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST

from annotation.accounts import audit, browser_sessions, tokens
from annotation.accounts.models import Account, ApiToken, AuditEvent, Role
from annotation.web import scope
from annotation.web.scope import SignedInRequest

MANAGED_SHOWN = 50


class TimeZoneForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    time_zone = forms.ChoiceField(
        label="Time zone", help_text="Pages show times in this zone. Exports and REST always use UTC."
    )

    class Meta:
        model = Account
        fields = ("time_zone",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(zone, zone.replace("_", " ")) for zone in zones]


@login_required
def account(request: SignedInRequest) -> HttpResponse:
    """The page, and the form for the time zone."""
    row, _ = Account.objects.get_or_create(user=request.user)
    form = TimeZoneForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        request.session[browser_sessions.TIME_ZONE] = row.time_zone
        messages.success(request, f"Times are now shown in {row.time_zone}.")
        return redirect("account")
    context = {
        "form": form,
        "sessions": browser_sessions.open_sessions(request.user),
        "this_session": request.session.session_key,
        "tokens": ApiToken.objects.filter(user=request.user).select_related("project"),
        "managed": scope.projects(request.user, Role.MANAGER)[:MANAGED_SHOWN],
        "memberships": request.user.memberships.select_related("project").order_by("project__name"),
    }
    return render(request, "annotation/account.html", context)


class PasswordPage(PasswordChangeView):
    """Choose a new password. All other browsers of the person are signed out."""

    template_name = "annotation/password.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        self.request.session[browser_sessions.MUST_CHANGE_PASSWORD] = False
        n = browser_sessions.end_others(self.request)
        suffix = f" {n} other sessions were signed out." if n else ""
        messages.success(self.request, f"Your password is changed.{suffix}")
        return response


def locked_out(request: HttpRequest, credentials: dict[str, object]) -> HttpResponse:
    """The answer of both sign-in pages to somebody who tried too many passwords (called by django-axes)."""
    wait = settings.AXES_COOLOFF_TIME
    context = {"minutes": max(round(wait.total_seconds() / 60), 1)}
    response = render(request, "annotation/locked_out.html", context, status=429)
    response.headers["Retry-After"] = str(round(wait.total_seconds()))
    return response


@login_required
@require_POST
def end_session(request: SignedInRequest, pk: int) -> HttpResponse:
    session = get_object_or_404(browser_sessions.open_sessions(request.user), pk=pk)
    browser_sessions.end(browser_sessions.open_sessions(request.user).filter(pk=session.pk))
    audit.record(AuditEvent.Kind.SESSION_ENDED, subject=request.user.get_username(), detail=session.browser)
    messages.success(request, "The session is ended.")
    return redirect("account")


@login_required
@require_POST
def revoke_token(request: SignedInRequest, pk: int) -> HttpResponse:
    """A person may revoke their own tokens. Managers issue them."""
    token = get_object_or_404(ApiToken.objects.filter(user=request.user), pk=pk)
    tokens.revoke(ApiToken.objects.filter(pk=token.pk))
    messages.success(request, f"The token {token.prefix}… is revoked. It no longer works.")
    return redirect("account")
