"""Projects, the roles of people in them, and the API tokens of machines."""

from __future__ import annotations

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


class ApiToken(models.Model):
    """A secret for one project and one purpose. Only its SHA-256 is stored. Lists show its prefix."""

    class Scope(models.TextChoices):
        READ = "read", "Read spectra, jobs and results"
        SUBMIT = "submit", "Upload spectra and submit jobs"
        REVIEW = "review", "Record verdicts"

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

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_usable(self) -> bool:
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not expired
