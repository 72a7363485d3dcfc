"""Exports: files of results that a worker builds. The rows of this table are the ledger of that work."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from annotation.accounts.visibility import OwnedQuerySet


class ExportQuerySet(OwnedQuerySet["Export"]):
    """Every change of state is one conditional UPDATE that returns the number of changed exports."""

    project_lookup = "job__project"

    def claimable(self) -> ExportQuerySet:
        """Exports that wait, and those whose worker let the lease expire."""
        waiting = models.Q(state=Export.State.PENDING)
        abandoned = models.Q(state=Export.State.RUNNING, lease_expires_at__lt=Now())
        return self.filter(waiting | abandoned)

    def unfinished(self) -> ExportQuerySet:
        return self.filter(state__in=(Export.State.PENDING, Export.State.RUNNING))

    def due(self) -> ExportQuerySet:
        """Exports whose file has to go: its time is over, or an earlier removal was interrupted."""
        over = models.Q(state=Export.State.READY, expires_at__lt=Now())
        return self.filter(over | (models.Q(state=Export.State.EXPIRED) & ~models.Q(file="")))


class Export(models.Model):
    """The results of one job under one filter, in one format. Only `annotation.exports.ledger` changes it."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        TSV = "tsv", "TSV"
        XLSX = "xlsx", "Excel"
        SDF = "sdf", "SDF"
        JSON = "json", "JSON"
        NDJSON = "ndjson", "JSON, one line for each feature"
        MGF = "mgf", "MGF with annotations"
        MZTAB = "mztab", "mzTab-M 2.0"
        GRAPHML = "graphml", "GraphML of similar features"
        HTML = "html", "Report as HTML"
        PDF = "pdf", "Report as PDF"

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        RUNNING = "running", "Being built"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"  # the file was deleted

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    job = models.ForeignKey("annotation.Job", on_delete=models.CASCADE, related_name="exports")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    format = models.CharField(max_length=10, choices=Format.choices)
    filter = models.TextField(
        blank=True, help_text="The query of the job page that selects the features. Empty: all."
    )
    top = models.PositiveSmallIntegerField(
        default=1, help_text="Candidates of each feature, and those with the same score."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    # Rises with each claim, so it is the fence too: only the latest claim may finish the export.
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=120, blank=True)
    error = models.TextField(blank=True, help_text="Why it failed, and how to fix it.")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="The file is deleted after this time.")
    snapshot_id = models.CharField(
        max_length=16, blank=True, help_text="Exports of one job with equal IDs hold the same results."
    )
    snapshot_at = models.DateTimeField(null=True, help_text="The results are those of this moment.")
    n_features = models.PositiveIntegerField(null=True)
    n_rows = models.PositiveIntegerField(null=True, help_text="Features, each once for each candidate.")
    file = models.CharField(max_length=200, blank=True, help_text="Name in the folder of files.")
    size_bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["job", "-id"], name="export_list"),
            models.Index(
                fields=["id"], name="export_open", condition=models.Q(state__in=["pending", "running"])
            ),
            models.Index(fields=["expires_at"], name="export_due", condition=models.Q(state="ready")),
        ]

    def __str__(self) -> str:
        return f"{self.get_format_display()} of {self.job_id}"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be built."""
        return self.state in (self.State.PENDING, self.State.RUNNING)
