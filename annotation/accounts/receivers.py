"""What happens when somebody signs in, fails to, or gets other rights. Connected in `annotation.apps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axes.signals import user_locked_out
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from annotation.accounts import audit, browser_sessions
from annotation.accounts.models import Account, AuditEvent, BrowserSession, Membership

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

Kind = AuditEvent.Kind
_RIGHTS = ("is_active", "is_staff", "is_superuser")


@receiver(user_logged_in)
def signed_in(sender: object, request: HttpRequest, user: User, **_: object) -> None:
    browser_sessions.begin(request, user)
    audit.record(Kind.SIGNED_IN, subject=user.get_username())


@receiver(user_logged_out)
def signed_out(sender: object, request: HttpRequest, user: User | AnonymousUser | None, **_: object) -> None:
    if user is None:
        return
    BrowserSession.objects.filter(session_key=request.session.session_key).delete()
    audit.record(Kind.SIGNED_OUT, subject=user.get_username())


@receiver(user_login_failed)
def sign_in_failed(sender: object, credentials: dict[str, Any], **_: object) -> None:
    audit.record(Kind.SIGN_IN_FAILED, subject=str(credentials.get("username", "")))


@receiver(user_locked_out)
def sign_in_blocked(sender: object, username: str | None = None, **_: object) -> None:
    audit.record_once(
        Kind.SIGN_IN_BLOCKED, subject=username or "", detail="Too many wrong passwords from this address."
    )


@receiver(pre_save, sender=User)
def remember_rights(sender: object, instance: User, **_: object) -> None:
    """The rights before the change, for the event after it."""
    before = User.objects.filter(pk=instance.pk).values(*_RIGHTS).first() if instance.pk else None
    instance.rights_before = before  # type: ignore[attr-defined]


@receiver(post_save, sender=User)
def user_saved(sender: object, instance: User, created: bool, **_: object) -> None:
    _record_rights(instance, created)
    # Django sets `_password` in set_password and clears it after this signal.
    if getattr(instance, "_password", None) is not None and not created:
        _record_password(instance)
    elif created and _is_set_by_another(instance):
        Account.objects.update_or_create(user=instance, defaults={"must_change_password": True})


def _record_rights(user: User, created: bool) -> None:
    before = getattr(user, "rights_before", None) or {
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
    }
    changes = [
        f"{name} {before[name]} → {getattr(user, name)}"
        for name in _RIGHTS
        if before[name] != getattr(user, name)
    ]
    if changes or created:
        detail = ", ".join(changes) or "new account"
        audit.record(Kind.RIGHTS_CHANGED, subject=user.get_username(), detail=detail)


def _record_password(user: User) -> None:
    by_another = _is_set_by_another(user)
    # A command such as changepassword has no actor, and its user is told to change nothing.
    Account.objects.update_or_create(user=user, defaults={"must_change_password": by_another})
    detail = "by another person: must be changed at the next sign-in" if by_another else ""
    audit.record(Kind.PASSWORD_CHANGED, subject=user.get_username(), detail=detail)


def _is_set_by_another(user: User) -> bool:
    actor = audit.acting_user_id()
    return actor is not None and actor != user.pk


@receiver(pre_save, sender=Membership)
def remember_role(sender: object, instance: Membership, **_: object) -> None:
    before = Membership.objects.filter(pk=instance.pk).values_list("role", flat=True).first()
    instance.role_before = before or ""  # type: ignore[attr-defined]


@receiver(post_save, sender=Membership)
def membership_saved(sender: object, instance: Membership, created: bool, **_: object) -> None:
    before = getattr(instance, "role_before", "")
    if not created and before == instance.role:
        return
    kind = Kind.ROLE_GIVEN if created else Kind.ROLE_CHANGED
    detail = str(instance.role) if created else f"{before} → {instance.role}"
    audit.record(kind, subject=instance.user.get_username(), project=instance.project.slug, detail=detail)


@receiver(post_delete, sender=Membership)
def membership_deleted(sender: object, instance: Membership, **_: object) -> None:
    audit.record(
        Kind.ROLE_REMOVED,
        subject=instance.user.get_username(),
        project=instance.project.slug,
        detail=str(instance.role),
    )
