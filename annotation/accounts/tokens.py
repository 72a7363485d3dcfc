"""API tokens: issue, rotate, revoke. The secret is shown once; the database stores only its SHA-256.

A token never gives more rights than its owner has: its scopes narrow the role of the owner, and its project
narrows what the owner can see. It expires after GLMR_TOKEN_DAYS unless its issuer states another time.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
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
    ApiToken.Scope.WEBHOOKS: Role.MANAGER,
    ApiToken.Scope.ACCOUNTS: Role.MANAGER,
    ApiToken.Scope.MANAGE: Role.MANAGER,
}
# The last use is stored at most this often, so that not every request of a polling machine writes.
USE_STORED_EVERY = datetime.timedelta(minutes=1)
# How long a rotated token still works, so that a machine can change to the new one without a gap.
OVERLAP = datetime.timedelta(days=1)
LONGEST_OVERLAP = datetime.timedelta(days=30)


class CannotRotate(Exception):
    """The token stays as it is. The message says why, and what to do."""


def default_expiry() -> datetime.datetime | None:
    """When a token ends that is issued now. None if GLMR_TOKEN_DAYS is 0."""
    days = settings.GLMR_TOKEN_DAYS
    return timezone.now() + datetime.timedelta(days=days) if days else None


def scopes_for(role: Role) -> list[ApiToken.Scope]:
    """The scopes that the role includes."""
    return [scope for scope, needed in ROLE_FOR_SCOPE.items() if role in needed.and_above()]


def issue(
    *,
    project: Project,
    user: User,
    name: str,
    scopes: Iterable[ApiToken.Scope],
    expires_at: datetime.datetime | None = None,
    never_expires: bool = False,
    replaces: ApiToken | None = None,
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
        expires_at=None if never_expires else expires_at or default_expiry(),
        replaces=replaces,
    )
    audit.record(
        AuditEvent.Kind.TOKEN_ISSUED,
        subject=f"{name} ({prefix}…)",
        project=project.slug,
        detail=f"for {user.get_username()}: {', '.join(token.scopes)}",
    )
    return token, secret


def rotate(token: ApiToken, overlap: datetime.timedelta = OVERLAP) -> tuple[ApiToken, str]:
    """A new token with the same owner, name and scopes, and its secret. The old one ends after `overlap`.

    A token can be rotated once. Raises CannotRotate.
    """
    if not datetime.timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise CannotRotate(f"Choose an overlap of 0 to {LONGEST_OVERLAP.days * 24} hours.")
    if not token.is_usable() or not token.user.is_active:
        raise CannotRotate(
            f"The token {token.prefix}… is expired or revoked. Issue a new token instead of rotating it."
        )
    scopes = [ApiToken.Scope(scope) for scope in token.scopes]
    try:
        with transaction.atomic():
            new, secret = issue(
                project=token.project, user=token.user, name=token.name, scopes=scopes, replaces=token
            )
            ends_at = timezone.now() + overlap
            later = Q(expires_at=None) | Q(expires_at__gt=ends_at)
            ApiToken.objects.filter(later, pk=token.pk).update(expires_at=ends_at)
            audit.record(
                AuditEvent.Kind.TOKEN_ROTATED,
                subject=str(token),
                project=token.project.slug,
                detail=f"replaced by {new.prefix}…, works until {ends_at:%Y-%m-%d %H:%M} UTC at most",
            )
    except IntegrityError:
        raise CannotRotate(
            f"The token {token.prefix}… was rotated before. Rotate the token that replaced it."
        ) from None
    return new, secret


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
