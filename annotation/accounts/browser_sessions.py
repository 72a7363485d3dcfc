"""Browsers in which people are signed in: listed for their owner, ended by them, and limited in time.

Django's session table does not name the person, so `BrowserSession` does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from annotation.accounts import audit
from annotation.accounts.models import Account, AuditEvent, BrowserSession
from annotation.plain_text import clean

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

# Keys of the session. Whole seconds since 1970.
STARTED_AT = "started_at"
SEEN_AT = "seen_at"
MUST_CHANGE_PASSWORD = "must_change_password"  # noqa: S105, a key
TIME_ZONE = "time_zone"
# The last use is stored at most this often, so that not every page writes.
SEEN_EVERY_S = 60


def begin(request: HttpRequest, user: User) -> None:
    """Note the browser and the person's choices in the new session."""
    account, _ = Account.objects.get_or_create(user=user)
    now = int(time.time())
    session = request.session
    session[STARTED_AT] = session[SEEN_AT] = now
    session[MUST_CHANGE_PASSWORD] = account.must_change_password
    session[TIME_ZONE] = account.time_zone
    if session.session_key is None:
        session.create()
    BrowserSession.objects.update_or_create(
        session_key=session.session_key,
        defaults={
            "user": user,
            "started_at": timezone.now(),
            "seen_at": timezone.now(),
            "address": audit.client_address(request),
            "browser": clean(request.headers.get("User-Agent", ""), 200),
        },
    )


def is_too_old(session: SessionBase) -> bool:
    """Whether the person has to sign in again, however busy the session is (GLMR_SESSION_MAX_HOURS)."""
    started = session.get(STARTED_AT)
    return started is not None and time.time() - started > settings.GLMR_SESSION_MAX_HOURS * 3600


def touch(session: SessionBase) -> None:
    """Store the time of use, at most once a minute. That also moves the end of an idle session."""
    now = int(time.time())
    if SESSION_KEY not in session or now - session.get(SEEN_AT, 0) < SEEN_EVERY_S:
        return
    session.setdefault(STARTED_AT, now)
    session[SEEN_AT] = now
    BrowserSession.objects.filter(session_key=session.session_key).update(seen_at=timezone.now())


def open_sessions(user: User) -> QuerySet[BrowserSession]:
    """The browsers in which the person is signed in now, the latest used first."""
    alive = Session.objects.filter(expire_date__gt=timezone.now())
    return BrowserSession.objects.filter(user=user, session_key__in=alive.values("session_key"))


@transaction.atomic
def end(sessions: QuerySet[BrowserSession]) -> int:
    """Sign these browsers out at once. Returns their number."""
    keys = list(sessions.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    BrowserSession.objects.filter(session_key__in=keys).delete()
    return len(keys)


def end_others(request: HttpRequest) -> int:
    """Sign the person out of every browser but this one."""
    user = request.user
    assert user.is_authenticated
    n = end(BrowserSession.objects.filter(user=user).exclude(session_key=request.session.session_key))
    if n:
        audit.record(AuditEvent.Kind.SESSION_ENDED, subject=user.get_username(), detail=f"{n} other sessions")
    return n
