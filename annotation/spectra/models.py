"""Uploaded files, the spectra that were read from them with their raw peaks unchanged, and their features."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.conf import settings
from django.db import models
from django.utils import timezone

from annotation.accounts.visibility import OwnedQuerySet
from annotation.spectra.ions import Ion
from models_ml.spectra import spectrum as exchange


class UploadQuerySet(OwnedQuerySet["Upload"]):
    def earlier_copies(self, uploads: Sequence[Upload]) -> UploadQuerySet:
        """Other uploads of this query set with the same bytes as one of `uploads`, newest first."""
        hashes = {upload.sha256 for upload in uploads if upload.sha256}
        copies = self.filter(sha256__in=hashes, state=Upload.State.READY)
        return copies.exclude(pk__in=[upload.pk for upload in uploads]).order_by("-pk")

    def of_job(self, job_id: int) -> UploadQuerySet:
        """The files whose features are in the job."""
        # A join with DISTINCT would compare every column of the files, once for each feature.
        features = Feature.objects.filter(job_items__job=job_id).order_by()
        return self.filter(pk__in=features.values("upload"))


class SpectrumIssueQuerySet(models.QuerySet["SpectrumIssue"]):
    def by_kind(self) -> list[IssueKind]:
        """The issues by severity and code, the most frequent first. Two queries."""
        kinds = list(
            self.order_by()
            .values("severity", "code")
            .annotate(
                n=models.Sum("n"), n_files=models.Count("upload", distinct=True), first=models.Min("pk")
            )
            .order_by("-n", "first")
        )
        firsts = SpectrumIssue.objects.select_related("upload").in_bulk([kind["first"] for kind in kinds])
        return [IssueKind(kind["n"], kind["n_files"], firsts[kind["first"]]) for kind in kinds]


class SpectrumQuerySet(OwnedQuerySet["Spectrum"]):
    def of_sample(self, sample: str) -> SpectrumQuerySet:
        """Spectra of the sample, as stated for the spectrum or else for its file."""
        files = Upload.objects.filter(sample=sample).exclude(sample="")
        stated, of_files = self.filter(sample_id=sample).exclude(sample_id=""), self.filter(upload__in=files)
        # Two searches that each use an index. Together in one condition they would read the whole table.
        both = stated.values("pk").union(of_files.filter(sample_id="").values("pk"))
        return self.filter(pk__in=both)


class FeatureQuerySet(OwnedQuerySet["Feature"]):
    def ions(self) -> Counter[Ion]:
        """How many features have the same ion, coarse as `Ion.coarse` makes it. One query."""
        heavy = models.When(precursor_mz__gt=Ion.HEAVY_FROM, then=Ion.HEAVY)
        coarse = models.Case(heavy, default=models.F("precursor_mz"))
        rows = (
            self.order_by()
            .annotate(coarse_mz=coarse)
            .values_list("coarse_mz", "charge", "adduct", "ion_mode", "proposed_adduct")
            .annotate(n=models.Count("pk"))
        )
        return Counter({Ion(*ion): n for *ion, n in rows})

    def summary(self) -> dict[str, int]:
        """How many features there are, by what made them one, and what MS1 shows. One query."""

        def count(condition: models.Q) -> models.Count:
            return models.Count("pk", filter=condition)

        several = models.Q(n_members__gt=1)
        return self.aggregate(
            n=models.Count("pk"),
            n_single=count(~several),
            n_stated=count(several & models.Q(grouped_by=Feature.GroupedBy.FILE)),
            n_computed=count(several & models.Q(grouped_by=Feature.GroupedBy.COMPUTED)),
            n_outliers=models.Sum("n_outliers", default=0),
            n_pattern=count(models.Q(isotope_mz__1__isnull=False)),
            n_impure=count(models.Q(purity__lt=0.5)),
        )


class Upload(models.Model):
    """One file, or one JSON submission, as it was received, with a report of its content."""

    class State(models.TextChoices):
        READING = "reading", "Reading"
        READY = "ready", "Ready"
        REFUSED = "refused", "Refused"

    class Condition(models.TextChoices):
        """How much of the file can be used. Follows from the state and the counts."""

        READING = "reading", "Reading"
        READ = "read", "Read"
        PARTIAL = "partial", "Read in part"
        NOTHING = "nothing", "Nothing usable"
        REFUSED = "refused", "Refused"

    class Grouping(models.TextChoices):
        """Which spectra become one feature. `models_ml.features.grouping` has the rules."""

        AUTO = "auto", "As the file states; for raw runs by precursor, time and peaks"
        OFF = "off", "Off: each spectrum is annotated alone"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="uploads")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    file_name = models.CharField(max_length=255)
    file = models.FileField(upload_to="uploads/%Y/%m/", max_length=500)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    format = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.READING)
    refusal = models.TextField(blank=True, help_text="Why the whole file was refused, and how to fix it.")
    # The counts of the report. Each rejected, repaired or skipped spectrum is a SpectrumIssue.
    n_found = models.PositiveIntegerField(default=0)
    n_ms2 = models.PositiveIntegerField(default=0)
    n_usable = models.PositiveIntegerField(default=0)
    n_repaired = models.PositiveIntegerField(default=0)
    n_rejected = models.PositiveIntegerField(default=0)
    n_skipped = models.PositiveIntegerField(default=0)
    n_features = models.PositiveIntegerField(default=0, help_text="Ions that the usable spectra belong to.")
    grouping = models.CharField(max_length=10, choices=Grouping.choices, default=Grouping.OFF)
    grouping_settings = models.JSONField(default=dict, blank=True)
    sample = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Identifier of the sample that was measured, as the submitter states it.",
    )

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["project", "sample"], name="upload_sample", condition=~models.Q(sample=""))
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def condition(self) -> Condition:
        """What a person has to know about the file, worst first. No query."""
        if self.state == self.State.REFUSED:
            return self.Condition.REFUSED
        if self.state == self.State.READING:
            return self.Condition.READING
        if not self.n_usable:
            return self.Condition.NOTHING
        return self.Condition.PARTIAL if self.n_rejected else self.Condition.READ


class PartialUploadQuerySet(OwnedQuerySet["PartialUpload"]):
    def abandoned(self) -> PartialUploadQuerySet:
        """Those that nobody continued for a day. Their bytes are worth nothing any more."""
        return self.filter(created_at__lt=timezone.now() - PartialUpload.KEPT_FOR)


class PartialUpload(models.Model):
    """A file that arrives in parts. The length of the stored file says how much of it has arrived."""

    KEPT_FOR = timedelta(days=1)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(
        "annotation.Project", null=True, on_delete=models.CASCADE, related_name="+"
    )  # null: for what all projects share
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = PartialUploadQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.file_name


class SpectrumIssue(models.Model):
    """What is wrong with one spectrum of a file, where, and how to fix it.

    Skipped spectra need no action, so one row stands for all with the same reason.
    """

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="issues")
    source_index = models.IntegerField(help_text="Index in the file, from 0; -1 for the whole file.")
    position = models.CharField(max_length=300)  # "line 120", "scan 17", "record MSBNK-… in a.txt"
    severity = models.CharField(max_length=10)  # rejected, repaired, skipped
    code = models.CharField(max_length=40)
    reason = models.TextField()
    remedy = models.TextField(blank=True)
    title = models.CharField(max_length=300, blank=True)
    n = models.PositiveIntegerField(default=1, help_text="Spectra that the row stands for.")

    objects = SpectrumIssueQuerySet.as_manager()

    class Meta:
        ordering = ["upload", "source_index", "id"]

    def __str__(self) -> str:
        return f"{self.position}: {self.reason}"


@dataclass(frozen=True, slots=True)
class IssueKind:
    """All issues with one severity and code."""

    n: int  # spectra
    n_files: int
    first: SpectrumIssue  # an example


class Spectrum(models.Model):
    """One measured MS/MS scan. Rows never change after the upload that created them."""

    upload = models.ForeignKey(Upload, on_delete=models.PROTECT, related_name="spectra")
    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="spectra")
    source_index = models.PositiveIntegerField(help_text="Index in the file, from 0.")
    title = models.CharField(max_length=300, blank=True)
    external_id = models.CharField(max_length=200, blank=True, db_index=True)
    precursor_mz = models.FloatField(null=True)
    charge = models.SmallIntegerField(null=True)
    adduct = models.CharField(max_length=40, blank=True)
    ion_mode = models.CharField(max_length=10, blank=True)
    ms_level = models.SmallIntegerField(null=True)
    collision_energy = models.CharField(max_length=200, blank=True)
    collision_energy_ev = models.FloatField(null=True)
    retention_time_s = models.FloatField(null=True)
    instrument = models.CharField(max_length=300, blank=True)
    instrument_type = models.CharField(max_length=100, blank=True)
    license = models.CharField(max_length=100, blank=True)
    # The structure that the file states. The model never receives it.
    claimed_smiles = models.TextField(blank=True)
    claimed_inchikey = models.CharField(max_length=27, blank=True)
    metadata = models.JSONField(default=dict)
    n_peaks = models.PositiveIntegerField()
    # Little-endian float64, as read: 8 bytes per value, no rounding.
    mz_bytes = models.BinaryField()
    intensity_bytes = models.BinaryField()
    splash = models.CharField(max_length=50, db_index=True)
    sample_id = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="The sample that the submitter states for this spectrum. Empty: that of the file.",
    )

    objects = SpectrumQuerySet.as_manager()

    class Meta:
        ordering = ["upload", "source_index"]
        constraints = [
            models.UniqueConstraint(fields=["upload", "source_index"], name="one_spectrum_per_place")
        ]
        indexes = [
            models.Index(fields=["sample_id"], name="spectrum_sample", condition=~models.Q(sample_id=""))
        ]

    def __str__(self) -> str:
        return self.title or f"spectrum {self.source_index + 1} of {self.upload_id}"

    @property
    def mz(self) -> exchange.FloatArray:
        return np.frombuffer(self.mz_bytes, dtype="<f8")

    @property
    def intensity(self) -> exchange.FloatArray:
        return np.frombuffer(self.intensity_bytes, dtype="<f8")

    @property
    def peaks(self) -> tuple[tuple[float, float], ...]:
        """Pairs of m/z and intensity."""
        return tuple(zip(self.mz.tolist(), self.intensity.tolist(), strict=True))


class Feature(models.Model):
    """One ion of one run: the unit that a job annotates. Rows never change after the upload.

    Most features have one member, the spectrum itself. Precursor, adduct and mode are those of the feature.
    """

    class GroupedBy(models.TextChoices):
        SINGLE = "single", "One spectrum"
        FILE = "file", "Stated in the file"
        COMPUTED = "computed", "Computed"

    upload = models.ForeignKey(Upload, on_delete=models.PROTECT, related_name="features", db_index=False)
    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="features")
    number = models.PositiveIntegerField(help_text="Order in the upload, from 0.")
    label = models.CharField(max_length=200, blank=True, help_text="FEATURE_ID of the file.")
    grouped_by = models.CharField(max_length=10, choices=GroupedBy.choices, default=GroupedBy.SINGLE)
    reason = models.TextField(blank=True, help_text="Why these spectra are one feature.")
    representative = models.ForeignKey(
        Spectrum,
        on_delete=models.PROTECT,
        related_name="represented_features",
        help_text="The member that stands for the feature in lists.",
    )
    n_members = models.PositiveIntegerField(default=1, help_text="Outliers included.")
    n_outliers = models.PositiveIntegerField(default=0)
    precursor_mz = models.FloatField(null=True)
    charge = models.SmallIntegerField(null=True)
    adduct = models.CharField(max_length=40, blank=True)
    ion_mode = models.CharField(max_length=10, blank=True)
    retention_time_s = models.FloatField(null=True)
    # What the MS1 scans show, where the file has some.
    isotope_mz = models.JSONField(default=list, blank=True, help_text="Isotope pattern, monoisotopic first.")
    isotope_intensity = models.JSONField(default=list, blank=True)
    purity = models.FloatField(
        null=True, help_text="Share of the isolation window's MS1 intensity that is the precursor's."
    )
    proposed_adduct = models.CharField(max_length=40, blank=True, help_text="The adduct that MS1 suggests.")
    proposed_adduct_reason = models.TextField(blank=True)
    quantities = models.JSONField(
        default=dict, blank=True, help_text="The feature's row of the quantification table, as text."
    )

    objects = FeatureQuerySet.as_manager()

    class Meta:
        ordering = ["upload", "number"]
        constraints = [models.UniqueConstraint(fields=["upload", "number"], name="one_feature_per_number")]

    def __str__(self) -> str:
        return self.label or f"feature {self.number + 1} of {self.upload_id}"

    @property
    def n_used(self) -> int:
        """Members whose evidence counts."""
        return self.n_members - self.n_outliers


class FeatureMember(models.Model):
    """Which feature a spectrum belongs to: exactly one.

    A separate table, because the spectra are stored while the file is read, before grouping is known, and
    the database refuses every change of a stored spectrum.
    """

    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="members")
    spectrum = models.OneToOneField(Spectrum, on_delete=models.PROTECT, related_name="membership")
    is_outlier = models.BooleanField(
        default=False, help_text="Its peaks differ from those of the others; its evidence does not count."
    )

    class Meta:
        ordering = ["feature", "spectrum"]

    def __str__(self) -> str:
        return f"spectrum {self.spectrum_id} of feature {self.feature_id}"
