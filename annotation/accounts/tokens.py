"""API tokens. The secret is shown once; the database stores only its SHA-256.

A token never gives more rights than its owner has: its scopes narrow the role of the owner, and its project
narrows what the owner can see.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from annotation.accounts import audit
from annotation.accounts.models import ApiToken, AuditEvent, Project, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

# The role that the owner of a token needs for each scope.
ROLE_FOR_SCOPE = {
    ApiToken.Scope.READ: Role.VIEWER,
    ApiToken.Scope.SUBMIT: Role.SUBMITTER,
    ApiToken.Scope.REVIEW: Role.CURATOR,
    ApiToken.Scope.MANAGE: Role.MANAGER,
}
# The last use is stored at most this often, so that not every request of a polling machine writes.
USE_STORED_EVERY = datetime.timedelta(minutes=1)


def issue(
    *,
    project: Project,
    user: User,
    name: str,
    scopes: Iterable[ApiToken.Scope],
    expires_at: datetime.datetime | None = None,
) -> tuple[ApiToken, str]:
    """The new token and its secret, which is not stored and cannot be shown again."""
    prefix = secrets.token_hex(4)
    secret = f"glmr_{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        project=project,
        user=user,
        name=name,
        prefix=prefix,
        secret_sha256=_digest(secret),
        scopes=sorted({str(scope) for scope in scopes}),
        expires_at=expires_at,
    )
    audit.record(
        AuditEvent.Kind.TOKEN_ISSUED,
        subject=f"{name} ({prefix}…)",
        project=project.slug,
        detail=f"for {user.get_username()}: {', '.join(token.scopes)}",
    )
    return token, secret


@transaction.atomic
def revoke(tokens: QuerySet[ApiToken]) -> int:
    """Make the tokens useless for ever. Returns how many of them were usable until now."""
    revoked = list(tokens.filter(revoked_at=None).select_related("project").select_for_update(of=("self",)))
    ApiToken.objects.filter(pk__in=[token.pk for token in revoked]).update(revoked_at=timezone.now())
    for token in revoked:
        audit.record(AuditEvent.Kind.TOKEN_REVOKED, subject=str(token), project=token.project.slug)
    return len(revoked)


def authenticate(secret: str) -> ApiToken | None:
    """The usable token with this secret, or None. Stores the time of use."""
    scheme, _, rest = secret.partition("_")
    prefix, _, random_part = rest.partition("_")
    if scheme != "glmr" or not random_part or not prefix.isalnum() or not prefix.isascii():
        return None
    token = ApiToken.objects.select_related("user", "project").filter(prefix=prefix[:16]).first()
    if token is None or not hmac.compare_digest(token.secret_sha256, _digest(secret)):
        return None
    if not token.is_usable() or not token.user.is_active:
        return None
    _store_use(token)
    return token


def _store_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is not None and token.last_used_at > now - USE_STORED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_STORED_EVERY)
    if ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now):
        _record_new_address(token, now)


def _record_new_address(token: ApiToken, now: datetime.datetime) -> None:
    """One event a day for each address that uses the token."""
    uses = AuditEvent.objects.filter(
        kind=AuditEvent.Kind.TOKEN_USED,
        subject=str(token),
        at__date=now.date(),
        address=audit.client_address(),
    )
    if not uses.exists():
        audit.record(AuditEvent.Kind.TOKEN_USED, subject=str(token), project=token.project.slug)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
