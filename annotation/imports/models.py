"""Files that become versions of libraries and of reference collections: checked first, then published."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from annotation.accounts.visibility import SharedQuerySet


class VersionImportQuerySet(SharedQuerySet["VersionImport"]):
    """Every change of state is one conditional UPDATE that returns the number of changed imports."""

    def claimable(self) -> VersionImportQuerySet:
        """Imports that wait, and those whose worker let the lease expire; one of a library at a time."""
        waiting = models.Q(state__in=VersionImport.WAITING)
        abandoned = models.Q(state__in=VersionImport.RUNNING, lease_expires_at__lt=Now())
        others = VersionImport.objects.filter(
            kind=models.OuterRef("kind"), name=models.OuterRef("name"), state__in=VersionImport.RUNNING
        ).exclude(pk=models.OuterRef("pk"))
        return self.filter(waiting | abandoned).exclude(models.Exists(others))

    def unfinished(self) -> VersionImportQuerySet:
        return self.filter(state__in=(*VersionImport.WAITING, *VersionImport.RUNNING, "checked"))

    def due(self) -> VersionImportQuerySet:
        """Imports whose files have to go. Never of one that a worker has to do."""
        over = self.filter(has_files=True, expires_at__lt=Now())
        return over.exclude(state__in=(*VersionImport.WAITING, *VersionImport.RUNNING))


class VersionImport(models.Model):
    """One file, its check, and its publication. Only `annotation.imports.ledger` changes the state."""

    class Kind(models.TextChoices):
        LIBRARY = "library", "Library"
        REFERENCES = "references", "Reference collection"

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for its check"
        CHECKING = "checking", "Being checked"
        CHECKED = "checked", "Checked"
        QUEUED = "queued", "Waits for its publication"
        PUBLISHING = "publishing", "Being published"
        PUBLISHED = "published", "Published"
        FAILED = "failed", "Failed"
        DISCARDED = "discarded", "Discarded"

    WAITING = (State.WAITING, State.QUEUED)
    RUNNING = (State.CHECKING, State.PUBLISHING)
    KEPT_FOR = timedelta(days=7)  # then the files of a checked, failed or published import are deleted

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=120, help_text="Of the library or of the collection.")
    project = models.ForeignKey(
        "annotation.Project", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    description = models.TextField(blank=True)
    license = models.CharField(max_length=200)
    source = models.CharField(max_length=500, help_text="Where the file comes from.")
    file_name = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField(default=0)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    waits_since = models.DateTimeField(default=timezone.now, editable=False)
    publish_at_once = models.BooleanField(default=False, help_text="Publish it if the check finds anything.")
    # Rises with each claim, so it is the fence too: only the latest claim may finish the work.
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    n_done = models.PositiveIntegerField(default=0, help_text="Rows or spectra so far, of the present step.")
    report = models.JSONField(default=dict, help_text="What the check found (findings.py).")
    error = models.TextField(blank=True, help_text="Why it failed, and how to fix it.")
    checked_at = models.DateTimeField(null=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    finished_at = models.DateTimeField(null=True)
    library_version = models.OneToOneField(
        "annotation.LibraryVersion", null=True, on_delete=models.SET_NULL, related_name="version_import"
    )
    reference_version = models.OneToOneField(
        "annotation.ReferenceVersion", null=True, on_delete=models.SET_NULL, related_name="version_import"
    )
    has_files = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True)

    objects = VersionImportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "name"],
                condition=models.Q(state__in=["checking", "publishing"]),
                name="one_running_import_of_a_name",
            )
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="import_open",
                condition=models.Q(state__in=["waiting", "checking", "queued", "publishing"]),
            ),
            models.Index(fields=["expires_at"], name="import_due", condition=models.Q(has_files=True)),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} for {self.name}"

    @property
    def is_open(self) -> bool:
        """Whether a worker has to do something, or does it."""
        return self.state in (*self.WAITING, *self.RUNNING)

    @property
    def waits_for_check(self) -> bool:
        """Whether its list of rejected rows is missing, or not complete yet."""
        return self.state in (self.State.WAITING, self.State.CHECKING)

    @property
    def units(self) -> str:
        """What the file has many of."""
        return "rows" if self.kind == self.Kind.LIBRARY else "spectra"
