"""The job ledger: a job exists from the commit that created it, and its rows alone say how it stands."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Protocol

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

# A worker that misses this many heartbeats counts as gone.
HEARTBEATS_MISSED = 2


class Job(models.Model):
    """A batch run: which spectra, against which library version, by which model, with which parameters."""

    class State(models.TextChoices):
        """Follows from the three times below, which the ledger sets with the items themselves."""

        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"  # every item done or failed, with a reason
        CANCELLED = "cancelled", "Cancelled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="jobs")
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200, blank=True, db_index=True)
    library_version = models.ForeignKey(
        "annotation.LibraryVersion", on_delete=models.PROTECT, related_name="jobs"
    )
    model_version = models.ForeignKey(
        "annotation.ModelVersion", on_delete=models.PROTECT, related_name="jobs"
    )
    reference_version = models.ForeignKey(
        "annotation.ReferenceVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="jobs",
        help_text="Reference spectra that speak for candidates; empty: none do.",
    )
    params = models.JSONField(help_text="models_ml.outcomes.AnnotateParams, field by field.")
    params_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(
        default=timezone.now, db_index=True, help_text="Last change of any item."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    # Claims go round the open jobs: the one served longest ago is next (see ledger.claim).
    last_claimed_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # The job may start: all molecules that it will search are embedded, though the library may not be.
    windows_embedded_at = models.DateTimeField(null=True, blank=True)
    # Set by the statement that ended the last item, and by nothing else.
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["last_claimed_at"], name="job_open", condition=models.Q(finished_at=None)),
            models.Index(fields=["project", "-created_at"], name="job_list"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> State:
        """No query: the three times say it."""
        if self.finished_at is not None:
            return self.State.CANCELLED if self.cancel_requested_at else self.State.DONE
        return self.State.RUNNING if self.started_at else self.State.QUEUED


class JobWindow(models.Model):
    """Neutral masses (Da) that a job will search, kept only until their molecules are embedded.

    The windows of a job are disjoint, so that a join with them finds no molecule twice.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="windows")
    lowest = models.FloatField()
    highest = models.FloatField()

    class Meta:
        ordering = ["job", "lowest"]

    def __str__(self) -> str:
        return f"{self.lowest:.4f} to {self.highest:.4f} Da"


class Claimed(Protocol):
    """What proves that a worker still holds an item: the item's id and the fence it was given."""

    @property
    def id(self) -> int: ...
    @property
    def fence(self) -> int: ...


class JobItemQuerySet(models.QuerySet["JobItem"]):
    """Every change of state is one conditional UPDATE that returns how many items it changed."""

    def held(self, claimed: Iterable[Claimed]) -> JobItemQuerySet:
        """Those of the claimed items that are still held under the fence they were claimed with."""
        pairs = [models.Q(pk=item.id, fence=item.fence) for item in claimed]
        return self.filter(reduce(or_, pairs), state=JobItem.State.RUNNING) if pairs else self.none()

    def back_to_pending(self, **changes: object) -> int:
        return self.update(state=JobItem.State.PENDING, lease_expires_at=None, worker="", **changes)

    def end(self, state: JobItem.State, **changes: object) -> int:
        return self.update(state=state, lease_expires_at=None, finished_at=Now(), **changes)


class JobItem(models.Model):
    """One spectrum of a job. Changed only by the conditional updates in `annotation.jobs.ledger`."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    FINAL = (State.DONE, State.FAILED, State.CANCELLED)

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="items", db_index=False)
    spectrum = models.ForeignKey("annotation.Spectrum", on_delete=models.PROTECT, related_name="job_items")
    position = models.PositiveIntegerField(help_text="Order of submission within the job, from 0.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Rises with each claim; a worker's answer counts only while it still holds the number it was given.
    fence = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    # After a lease ran out, the item is claimed alone: if it kills its worker, it kills no neighbour.
    isolated = models.BooleanField(default=False)
    worker = models.CharField(max_length=120, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = JobItemQuerySet.as_manager()

    class Meta:
        ordering = ["job", "position"]
        constraints = [models.UniqueConstraint(fields=["job", "spectrum"], name="one_item_per_spectrum")]
        indexes = [
            models.Index(fields=["job", "state"], name="item_counts"),
            # The claim and the reaper look only at open items; done ones, nearly all of the table, stay out.
            models.Index(
                fields=["job", "position"], name="item_pending", condition=models.Q(state="pending")
            ),
            models.Index(
                fields=["lease_expires_at"], name="item_leased", condition=models.Q(state="running")
            ),
            # Rate of the last minute, per job.
            models.Index(fields=["job", "finished_at"], name="item_finished"),
        ]

    def __str__(self) -> str:
        return f"item {self.position} of job {self.job_id}"


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """How many workers are alive, and the latest heartbeat of any."""

    n_alive: int
    last_seen_at: datetime | None

    @property
    def is_alive(self) -> bool:
        return self.n_alive > 0


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    def alive(self) -> WorkerHeartbeatQuerySet:
        """Workers that have not stopped and whose last heartbeat is at most two intervals old."""
        return self.filter(self._is_alive())

    def status(self) -> WorkerStatus:
        """One query."""
        row = self.aggregate(
            n_alive=models.Count("pk", filter=self._is_alive()), last_seen_at=models.Max("last_seen_at")
        )
        return WorkerStatus(**row)

    @staticmethod
    def _is_alive() -> models.Q:
        return models.Q(stopped_at=None, last_seen_at__gte=timezone.now() - longest_silence())


def longest_silence() -> timedelta:
    return timedelta(seconds=HEARTBEATS_MISSED * settings.GLMR_HEARTBEAT_S)


class WorkerHeartbeat(models.Model):
    """The last sign of life of each worker process, written by the worker about its own work."""

    name = models.CharField(max_length=120, unique=True)
    device = models.CharField(max_length=120)
    started_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    stopped_at = models.DateTimeField(null=True)
    activity = models.CharField(max_length=200, blank=True)
    problem = models.TextField(blank=True, help_text="Why the worker cannot work, and the remedy.")
    model_version = models.ForeignKey(
        "annotation.ModelVersion", null=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = WorkerHeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_alive(self) -> bool:
        """The rule of `WorkerHeartbeatQuerySet.alive`, for one row that is loaded already."""
        return self.stopped_at is None and self.last_seen_at >= timezone.now() - longest_silence()
