"""Projects, roles in them, service accounts, API tokens, browser sessions, and the audit log."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class Role(models.TextChoices):
    """In ascending order: each role may also do what the roles before it may do."""

    VIEWER = "viewer", "Viewer"
    SUBMITTER = "submitter", "Submitter"
    CURATOR = "curator", "Curator"
    MANAGER = "manager", "Manager"

    def and_above(self) -> list[Role]:
        order = list(Role)
        return order[order.index(self) :]

    @classmethod
    def strongest(cls, roles: Iterable[Role]) -> Role:
        return max(roles, key=list(cls).index)


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User | AnonymousUser, at_least: Role = Role.VIEWER) -> ProjectQuerySet:
        """Projects in which the user has the role or a stronger one; all projects for a superuser.

        Lazy: makes no query.
        """
        if not user.is_authenticated:
            return self.none()
        if user.is_superuser:
            return self
        held = Membership.objects.filter(user=user, role__in=at_least.and_above())
        return self.filter(pk__in=held.values("project_id"))


class Project(models.Model):
    """The tenant boundary: each upload, job and result belongs to one project, invisible outside it."""

    name = models.CharField(max_length=200, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="projects")

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="one_membership_per_user")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"


class ServiceAccount(models.Model):
    """A machine that acts in one project under its own name, such as a LIMS. It cannot sign in to the pages.

    It acts as a user without a password, so that jobs and verdicts name it as they name people. Its role is
    the membership of this user.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="service_accounts")
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="service_account"
    )
    name = models.SlugField(max_length=60)
    description = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="one_service_account_per_name")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def role(self) -> Role:
        """One query, unless the user's memberships were fetched before."""
        held = [row.role for row in self.user.memberships.all() if row.project_id == self.project_id]
        return Role(held[0]) if held else Role.VIEWER


class ApiToken(models.Model):
    """A secret for one project and one purpose. Only its SHA-256 is stored. Lists show its prefix."""

    class Scope(models.TextChoices):
        READ = "read", "Read spectra, jobs and results"
        SUBMIT = "submit", "Upload spectra and submit jobs"
        REVIEW = "review", "Read results and record verdicts"
        WEBHOOKS = "webhooks", "Manage webhooks"
        ACCOUNTS = "accounts", "Manage service accounts and their tokens"
        MANAGE = "manage", "Import and publish libraries and reference spectra"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tokens")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="The machine or purpose that uses this token.")
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    secret_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Unique: of two rotations of one token at the same time, the second is refused.
    replaces = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replaced_by", editable=False
    )

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_usable(self) -> bool:
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not expired


class Account(models.Model):
    """What this server knows about a person besides Django's user. Made at the first sign-in."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account")
    must_change_password = models.BooleanField(
        default=False, help_text="The person must choose a new password before anything else."
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="In which pages show times.")

    def __str__(self) -> str:
        return f"Account of {self.user}"


class BrowserSession(models.Model):
    """A browser in which a person is signed in. Deleted when the session ends."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sessions")
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(default=timezone.now, editable=False)
    address = models.CharField(max_length=45, blank=True, editable=False)
    browser = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.user} from {self.address}"


class AuditEvent(models.Model):
    """Something about accounts and rights that an administrator may look up. Never changed or deleted.

    People, projects and tokens are stored as text, so that the event outlives them.
    """

    class Kind(models.TextChoices):
        SIGNED_IN = "signed_in", "Signed in"
        SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
        SIGN_IN_BLOCKED = "sign_in_blocked", "Sign-in blocked"
        SIGNED_OUT = "signed_out", "Signed out"
        SESSION_ENDED = "session_ended", "Session ended"
        PASSWORD_CHANGED = "password_changed", "Password changed"
        RIGHTS_CHANGED = "rights_changed", "Rights changed"
        ROLE_GIVEN = "role_given", "Role given"
        ROLE_CHANGED = "role_changed", "Role changed"
        ROLE_REMOVED = "role_removed", "Role removed"
        TOKEN_ISSUED = "token_issued", "Token issued"
        TOKEN_REVOKED = "token_revoked", "Token revoked"
        TOKEN_ROTATED = "token_rotated", "Token rotated"
        TOKEN_USED = "token_used", "Token used"
        TOKEN_REFUSED = "token_refused", "Token refused"
        SERVICE_ACCOUNT = "service_account", "Service account changed"
        WEBHOOK_CHANGED = "webhook_changed", "Webhook changed"
        WEBHOOK_DISABLED = "webhook_disabled", "Webhook disabled"

    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    kind = models.CharField(max_length=20, choices=Kind.choices, editable=False)
    actor = models.CharField(
        max_length=150, blank=True, editable=False, help_text="Who did it. Empty: a command or nobody known."
    )
    subject = models.CharField(
        max_length=150, blank=True, editable=False, help_text="The person or token that it concerns."
    )
    address = models.CharField(max_length=45, blank=True, editable=False)
    project = models.CharField(max_length=80, blank=True, editable=False)
    detail = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["subject", "-at"], name="audit_by_subject"),
            models.Index(fields=["kind", "-at"], name="audit_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject or self.actor}"
