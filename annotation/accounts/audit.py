"""The audit log: who signed in or failed to, and who changed whose rights.

Middleware states the current request with `acting`, so that no caller has to pass the actor along.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.contrib.auth import SESSION_KEY
from django.core.cache import cache
from django.http import HttpRequest

from annotation.accounts.models import ApiToken, AuditEvent
from annotation.plain_text import clean

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
# An event that anybody can cause without rights is stored at most this often for each address and subject.
REPEATED_AFTER = datetime.timedelta(minutes=1)


@contextmanager
def acting(request: HttpRequest) -> Iterator[None]:
    """Events recorded within name the person and the address of this request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def acting_user_id() -> int | None:
    """The primary key of the signed-in person of the current request. None outside a request."""
    request = _request.get()
    session = getattr(request, "session", None)
    stored = session.get(SESSION_KEY) if session is not None else None
    return int(stored) if stored is not None else None


def client_address(request: HttpRequest | None = None) -> str:
    """The address of the client, "" outside a request. The web front has already read trusted proxies."""
    request = request or _request.get()
    return str(request.META.get("REMOTE_ADDR", ""))[:45] if request is not None else ""


def record(kind: AuditEvent.Kind, *, subject: str = "", project: str = "", detail: str = "") -> None:
    """Append one event. One insert; the actor is the session or the token of the current request."""
    AuditEvent.objects.create(
        kind=kind,
        actor=clean(_actor(), 150),
        subject=clean(subject, 150),
        address=client_address(),
        project=clean(project, 80),
        detail=clean(detail, 300),
    )


def _actor() -> str:
    request = _request.get()
    if request is None:
        return ""
    # The REST interface sets `auth` on the request, once it has accepted a token.
    token = getattr(request, "auth", None)
    if isinstance(token, ApiToken):
        return f"{token.user.get_username()} with token {token.prefix}…"
    return request.user.get_username() if acting_user_id() is not None else ""


def record_once(kind: AuditEvent.Kind, *, subject: str = "", detail: str = "") -> None:
    """Like `record`, but once a minute at most for the same address and subject: nobody floods the log."""
    digest = hashlib.sha256(f"{client_address()}/{clean(subject, 150)}".encode()).hexdigest()
    key = f"audit/{kind}/{digest}"
    if cache.add(key, True, REPEATED_AFTER.total_seconds()):
        record(kind, subject=subject, detail=detail)
