"""The job ledger: a job exists from the commit that creates it, and its rows alone determine its state."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Protocol, TypedDict

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from annotation.accounts.visibility import OwnedQuerySet
from annotation.spectra.models import Spectrum

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

# A worker that misses this many heartbeats is no longer alive.
HEARTBEATS_MISSED = 2


class JobQuerySet(OwnedQuerySet["Job"]):
    def in_state(self, state: Job.State) -> JobQuerySet:
        """The rule of `Job.state`, for a query."""
        finished = models.Q(finished_at__isnull=False)
        cancelled = models.Q(cancel_requested_at__isnull=False)
        started = models.Q(started_at__isnull=False)
        conditions = {
            Job.State.QUEUED: ~finished & ~started,
            Job.State.RUNNING: ~finished & started,
            Job.State.DONE: finished & ~cancelled,
            Job.State.CANCELLED: finished & cancelled,
        }
        return self.filter(conditions[state])

    def of_sample(self, sample: str) -> JobQuerySet:
        """Jobs with a spectrum of the sample, as stated for the spectrum or else for its file."""
        items = JobItem.objects.filter(spectrum__in=Spectrum.objects.of_sample(sample).values("pk"))
        return self.filter(pk__in=items.values("job_id"))


class JobPresetQuerySet(OwnedQuerySet["JobPreset"]):
    pass


class Job(models.Model):
    """A batch run: its spectra, library version, model version, reference version and parameters."""

    class State(models.TextChoices):
        """Follows from three times of the job, which the ledger sets together with the items."""

        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"  # every item has an outcome
        CANCELLED = "cancelled", "Cancelled"

    class Priority(models.IntegerChoices):
        """Which job workers serve first. Within a priority they serve jobs in rotation."""

        BATCH = 0, "Batch"
        INTERACTIVE = 10, "Interactive: before batch jobs"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="jobs")
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200, blank=True, db_index=True)
    # The submitter asked that no other job of the project has the same external_id.
    external_id_is_unique = models.BooleanField(default=False, db_default=False)
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
        help_text="Reference spectra that serve as evidence for candidates. Empty: none.",
    )
    params = models.JSONField(help_text="models_ml.outcomes.AnnotateParams, field by field.")
    params_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(
        default=timezone.now, db_index=True, help_text="Last change of any item."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    # Workers serve open jobs in rotation: the job with the oldest claim is next (see ledger.claim).
    last_claimed_at = models.DateTimeField(null=True, blank=True)
    # Claims that took items of this job. The first ones are small (see ledger.claim).
    n_batches = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # The job can start: all molecules that it will search are embedded. The library may not be complete.
    windows_embedded_at = models.DateTimeField(null=True, blank=True)
    # Set only by the statement that ends the last item.
    finished_at = models.DateTimeField(null=True, blank=True)
    priority = models.SmallIntegerField(
        choices=Priority.choices, default=Priority.BATCH, db_default=Priority.BATCH
    )
    repeats = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="repeated_by",
        help_text="The job that the submitter ran again with other settings.",
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "external_id"],
                condition=models.Q(external_id_is_unique=True),
                name="one_job_per_unique_external_id",
            )
        ]
        indexes = [
            models.Index(fields=["last_claimed_at"], name="job_open", condition=models.Q(finished_at=None)),
            models.Index(fields=["project", "-created_at"], name="job_list"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> State:
        """No query."""
        if self.finished_at is not None:
            return self.State.CANCELLED if self.cancel_requested_at else self.State.DONE
        return self.State.RUNNING if self.started_at else self.State.QUEUED


class EndNotice(models.Model):
    """A person wants a mail when the job ends. It is due while the job's end is later than `sent_for`.

    So nothing has to be queued when a job ends, and a job that is retried or resumed is announced again.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="notices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    sent_for = models.DateTimeField(null=True, help_text="The end of the job that the last mail announced.")
    n_failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_try_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "user"], name="one_notice_per_person")]

    def __str__(self) -> str:
        return f"{self.user} about {self.job}"


class JobPreset(models.Model):
    """Settings of a job that a project keeps under a name, for the submit form."""

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="presets")
    name = models.CharField(max_length=80)
    values = models.JSONField(help_text="The fields of the form, as text.")
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    saved_at = models.DateTimeField(default=timezone.now)

    objects = JobPresetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="one_preset_per_name")]

    def __str__(self) -> str:
        return self.name


class JobWindow(models.Model):
    """Neutral masses (Da) that a job will search, kept only until their molecules are embedded.

    The windows of a job are disjoint, so that a join with them finds each molecule once.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="windows")
    lowest = models.FloatField()
    highest = models.FloatField()

    class Meta:
        ordering = ["job", "lowest"]

    def __str__(self) -> str:
        return f"{self.lowest:.4f} to {self.highest:.4f} Da"


class Claimed(Protocol):
    """Proof that a worker holds an item: the item's id and the fence at the time of the claim."""

    @property
    def id(self) -> int: ...
    @property
    def fence(self) -> int: ...


class JobItemQuerySet(models.QuerySet["JobItem"]):
    """Every change of state is one conditional UPDATE that returns the number of changed items."""

    def held(self, claimed: Iterable[Claimed]) -> JobItemQuerySet:
        """The claimed items whose fence has not changed since: their worker still holds them."""
        pairs = [models.Q(pk=item.id, fence=item.fence) for item in claimed]
        return self.filter(reduce(or_, pairs), state=JobItem.State.RUNNING) if pairs else self.none()

    def back_to_pending(self, **changes: object) -> int:
        return self.update(state=JobItem.State.PENDING, lease_expires_at=None, worker="", **changes)

    def end(self, state: JobItem.State, **changes: object) -> int:
        return self.update(state=state, lease_expires_at=None, finished_at=Now(), **changes)


class JobItem(models.Model):
    """One feature of a job. Only the conditional updates in `annotation.jobs.ledger` change it."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        DONE = "done", "Annotated"
        NO_MATCH = "no_match", "No match"  # searched without fault, but no library molecule has its mass
        UNUSABLE = "unusable", "Cannot be annotated"  # the input is at fault; trying again cannot help
        FAILED = "failed", "Failed"  # the server is at fault; trying again may help
        CANCELLED = "cancelled", "Cancelled"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="items", db_index=False)
    feature = models.ForeignKey("annotation.Feature", on_delete=models.PROTECT, related_name="job_items")
    # The representative of the feature, so that lists need no further join.
    spectrum = models.ForeignKey("annotation.Spectrum", on_delete=models.PROTECT, related_name="job_items")
    position = models.PositiveIntegerField(help_text="Order of submission within the job, from 0.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Rises with each claim. A worker's result is stored only if the fence is still that of its claim.
    fence = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    # After its lease expires, the item is claimed alone: if it crashes the worker, no other item is lost.
    isolated = models.BooleanField(default=False)
    worker = models.CharField(max_length=120, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = JobItemQuerySet.as_manager()

    class Meta:
        ordering = ["job", "position"]
        constraints = [models.UniqueConstraint(fields=["job", "feature"], name="one_item_per_feature")]
        indexes = [
            models.Index(fields=["job", "state"], name="item_counts"),
            # Pages of results in the order of submission, and the addresses of features by number.
            models.Index(fields=["job", "position"], name="item_by_position"),
            # Claims and lease checks read only open items. Done items, nearly all of the table, stay out.
            models.Index(
                fields=["job", "position"], name="item_pending", condition=models.Q(state="pending")
            ),
            models.Index(
                fields=["lease_expires_at"], name="item_leased", condition=models.Q(state="running")
            ),
            # For the rate of the last minute, per job.
            models.Index(fields=["job", "finished_at"], name="item_finished"),
        ]

    def __str__(self) -> str:
        return f"item {self.position} of job {self.job_id}"


class Liveness(TypedDict):
    is_alive: bool
    hears_nothing: bool | None  # None: a worker of an older release does not say


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """The state of all workers together."""

    alive: tuple[WorkerHeartbeat, ...] = ()
    latest: WorkerHeartbeat | None = None  # with the latest heartbeat, even if it stopped or died

    @property
    def n_alive(self) -> int:
        return len(self.alive)

    @property
    def is_alive(self) -> bool:
        return bool(self.alive)

    @property
    def last_seen_at(self) -> datetime | None:
        return self.latest.last_seen_at if self.latest else None


# A worker that restarts again and again leaves many rows. Those that are alive come first.
WORKERS_READ = 200


class WorkerHeartbeatQuerySet(models.QuerySet["WorkerHeartbeat"]):
    """Which workers are alive. The database's clock decides, because it also sets `last_seen_at`."""

    def alive(self) -> WorkerHeartbeatQuerySet:
        """Workers that have not stopped and whose last heartbeat is at most two intervals old."""
        return self.filter(_is_alive())

    def with_liveness(self) -> models.QuerySet[WithAnnotations[WorkerHeartbeat, Liveness]]:
        """Each worker with `is_alive`, and with `hears_nothing`: no doorbell for three of its intervals."""
        deaf = models.Q(rang_at__lt=Now() - longest_silence() - timedelta(seconds=3 * settings.GLMR_RING_S))
        return self.annotate(  # type: ignore[return-value]  # the plugin infers Any for it
            is_alive=models.ExpressionWrapper(_is_alive(), output_field=models.BooleanField()),
            hears_nothing=models.ExpressionWrapper(deaf, output_field=models.BooleanField()),
        )

    def status(self) -> WorkerStatus:
        """One query."""
        seen = list(self.with_liveness().order_by("-last_seen_at")[:WORKERS_READ])
        return WorkerStatus(tuple(row for row in seen if row.is_alive), seen[0] if seen else None)


def _is_alive() -> models.Q:
    return models.Q(stopped_at=None, last_seen_at__gte=Now() - longest_silence())


def longest_silence() -> timedelta:
    """The greatest age of the last heartbeat of a worker that is alive."""
    return timedelta(seconds=HEARTBEATS_MISSED * settings.GLMR_HEARTBEAT_S)


class WorkerHeartbeat(models.Model):
    """The last heartbeat of each worker process, which the worker writes."""

    name = models.CharField(max_length=120, unique=True)
    device = models.CharField(max_length=120)
    started_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    stopped_at = models.DateTimeField(null=True)
    activity = models.CharField(max_length=200, blank=True)
    problem = models.TextField(blank=True, help_text="Why the worker cannot work, and how to fix it.")
    # Model versions that the worker cannot load. If there are any, `problem` is about these alone.
    cannot_load = ArrayField(models.BigIntegerField(), default=list, db_default=[], blank=True)
    rang_at = models.DateTimeField(null=True, help_text="When the worker last heard the doorbell.")
    model_version = models.ForeignKey(
        "annotation.ModelVersion", null=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = WorkerHeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def can_run(self, model_version_id: int) -> bool:
        """Whether nothing that the worker reports keeps it from jobs of this model."""
        if self.cannot_load:
            return model_version_id not in self.cannot_load
        return not self.problem
