"""Service accounts: machines that act in one project under their own name. Managers create and close them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils import timezone

from annotation.accounts import audit, tokens
from annotation.accounts.models import ApiToken, AuditEvent, Membership, Project, Role, ServiceAccount
from annotation.plain_text import clean

if TYPE_CHECKING:
    from django.db.models import QuerySet

LONGEST_NAME = 60


class CannotCreate(Exception):
    """Nothing was created. `field` names the part of the request, `reason` says how to fix it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def managed_by(user: User) -> QuerySet[ServiceAccount]:
    """The accounts of the projects that the person manages, with what lists show. Lazy; three queries."""
    rows = ServiceAccount.objects.filter(project__in=Project.objects.visible_to(user, Role.MANAGER))
    return rows.select_related("project", "user", "created_by").prefetch_related("user__memberships")


@transaction.atomic
def create(
    *, project: Project, name: str, role: Role, by: User | None, description: str = ""
) -> ServiceAccount:
    """Create the account, its user without a password, and its membership. Raises CannotCreate."""
    name = name.strip().lower()
    try:
        validate_slug(name)
    except ValidationError:
        raise CannotCreate("name", "Use letters, digits, - and _ only, such as lims-production.") from None
    if len(name) > LONGEST_NAME:
        raise CannotCreate("name", f"The name has {len(name)} characters. Use at most {LONGEST_NAME}.")
    username = f"{name}@{project.slug}"
    # Serialises with another request for the same name: the row of the project is locked until the commit.
    Project.objects.select_for_update().get(pk=project.pk)
    if User.objects.filter(username=username).exists():
        raise CannotCreate("name", f"The project has or had a service account {name!r}. Choose another name.")
    user = User.objects.create_user(username, password=None)
    Membership.objects.create(project=project, user=user, role=role)
    account = ServiceAccount.objects.create(
        project=project, user=user, name=name, description=clean(description, 300), created_by=by
    )
    _record(account, f"created as {role}")
    return account


def issue_token(
    account: ServiceAccount, *, name: str, scopes: list[str], days: int | None
) -> tuple[ApiToken, str]:
    """A token of the account and its secret. `days` None: the default of the server. Raises CannotCreate."""
    if account.closed_at is not None:
        raise CannotCreate("", f"The service account {account} is closed. Create another one.")
    role = account.role
    allowed = tokens.scopes_for(role)
    if not scopes:
        raise CannotCreate("scopes", "Choose at least one scope.")
    if beyond := [scope for scope in scopes if scope not in allowed]:
        raise CannotCreate(
            "scopes",
            f"The role {role} of {account} does not include: {', '.join(beyond)}. Choose from: "
            f"{', '.join(allowed)}.",
        )
    expires_at = timezone.now() + timedelta(days=days) if days else None
    return tokens.issue(
        project=account.project,
        user=account.user,
        name=clean(name, 100) or account.name,
        scopes=[ApiToken.Scope(scope) for scope in scopes],
        expires_at=expires_at,
    )


@transaction.atomic
def close(account: ServiceAccount) -> None:
    """Revoke all its tokens and refuse it for ever. What it did still names it."""
    if not ServiceAccount.objects.filter(pk=account.pk, closed_at=None).update(closed_at=timezone.now()):
        return
    tokens.revoke(ApiToken.objects.filter(user=account.user))
    account.user.is_active = False
    account.user.save()
    account.refresh_from_db()
    _record(account, "closed")


def _record(account: ServiceAccount, detail: str) -> None:
    audit.record(
        AuditEvent.Kind.SERVICE_ACCOUNT,
        subject=account.user.get_username(),
        project=account.project.slug,
        detail=detail,
    )
