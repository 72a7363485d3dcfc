"""Uploaded files, and the spectra that were read from them with their raw peaks unchanged."""

from __future__ import annotations

import numpy as np
from django.conf import settings
from django.db import models
from django.utils import timezone

from annotation.accounts.visibility import OwnedQuerySet
from models_ml.spectra import spectrum as exchange


class UploadQuerySet(OwnedQuerySet["Upload"]):
    pass


class SpectrumQuerySet(OwnedQuerySet["Spectrum"]):
    pass


class Upload(models.Model):
    """One file, or one JSON submission, as it was received, with a report of its content."""

    class State(models.TextChoices):
        READING = "reading", "Reading"
        READY = "ready", "Ready"
        REFUSED = "refused", "Refused"

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

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name


class SpectrumIssue(models.Model):
    """What is wrong with one spectrum of a file, where, and how to fix it."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="issues")
    source_index = models.IntegerField(help_text="Index in the file, from 0; -1 for the whole file.")
    position = models.CharField(max_length=300)  # "line 120", "scan 17", "record MSBNK-… in a.txt"
    severity = models.CharField(max_length=10)  # rejected, repaired, skipped
    code = models.CharField(max_length=40)
    reason = models.TextField()
    remedy = models.TextField(blank=True)
    title = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["upload", "source_index", "id"]

    def __str__(self) -> str:
        return f"{self.position}: {self.reason}"


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

    objects = SpectrumQuerySet.as_manager()

    class Meta:
        ordering = ["upload", "source_index"]
        constraints = [
            models.UniqueConstraint(fields=["upload", "source_index"], name="one_spectrum_per_place")
        ]

    def __str__(self) -> str:
        return self.title or f"spectrum {self.source_index + 1} of {self.upload_id}"

    @property
    def mz(self) -> exchange.FloatArray:
        return np.frombuffer(self.mz_bytes, dtype="<f8")

    @property
    def intensity(self) -> exchange.FloatArray:
        return np.frombuffer(self.intensity_bytes, dtype="<f8")
