"""Rules for signed-in browsers: limits in time, a first password that must be changed, the time zone."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.utils import timezone

from annotation.accounts import audit, browser_sessions

GetResponse = Callable[[HttpRequest], HttpResponseBase]
# What stays open to a person who must choose a new password first.
_OPEN_PAGES = frozenset({"password", "logout", "healthz", "help"})


def session_rules(get_response: GetResponse) -> GetResponse:
    """Must come after the session, the person and the messages. No query, but for one a minute."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with audit.acting(request):
            if SESSION_KEY not in request.session:
                return get_response(request)
            refusal = _refuse(request)
            if refusal is not None:
                return refusal
            browser_sessions.touch(request.session)
            zone = request.session.get(browser_sessions.TIME_ZONE, "UTC")
            with timezone.override(ZoneInfo(zone)):
                return get_response(request)

    return middleware


def _refuse(request: HttpRequest) -> HttpResponseBase | None:
    is_api = request.path.startswith("/api/")
    if browser_sessions.is_too_old(request.session):
        logout(request)
        if is_api:
            return None  # the view answers 401 to an unknown caller
        messages.info(request, "Your session reached its longest time. Sign in again.")
        return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
    if not request.session.get(browser_sessions.MUST_CHANGE_PASSWORD) or _is_open(request):
        return None
    if is_api:
        return HttpResponse(status=403)
    return redirect("password")


def _is_open(request: HttpRequest) -> bool:
    try:
        return resolve(request.path_info).url_name in _OPEN_PAGES
    except Resolver404:
        return False
