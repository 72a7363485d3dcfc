"""A form that arrives after the session ended: the sign-in page says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from annotation.web.scope import SignedInRequest


def form_login_required(
    view: Callable[[SignedInRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Like `login_required`. Who sends a form without a session is told that the session ended."""

    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            return view(cast(SignedInRequest, request))
        query = {"next": request.get_full_path()} | ({"ended": "1"} if request.method == "POST" else {})
        return redirect(f"{reverse('login')}?{urlencode(query)}")

    return checked
