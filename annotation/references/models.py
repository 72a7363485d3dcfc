"""Reference spectra: measured spectra of known compounds, in versions that never change once ready."""

from __future__ import annotations

import numpy as np
from django.conf import settings
from django.db import models
from django.utils import timezone

from models_ml.spectra import spectrum as exchange


class ReferenceCollection(models.Model):
    """A named set of reference spectra. Without a project it is offered to all."""

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    license = models.CharField(max_length=200, blank=True)
    project = models.ForeignKey(
        "annotation.Project", null=True, blank=True, on_delete=models.PROTECT, related_name="references"
    )
    is_accepted = models.BooleanField(
        default=False, help_text="Gathers what curators of the project accepted; made by the server."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(is_accepted=True),
                name="one_accepted_collection_per_project",
            )
        ]

    def __str__(self) -> str:
        return self.name


class ReferenceVersion(models.Model):
    """One import of a collection. What a result was computed with can always be named by it."""

    class State(models.TextChoices):
        IMPORTING = "importing", "Importing"  # never seen from outside its own transaction
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    collection = models.ForeignKey(ReferenceCollection, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.IMPORTING)
    failure = models.TextField(blank=True)
    source_file_name = models.CharField(max_length=255, blank=True)
    source_sha256 = models.CharField(max_length=64, blank=True)
    # SHA-256 over the sorted spectra, each by SPLASH, molecule, adduct and precursor.
    content_sha256 = models.CharField(max_length=64, blank=True)
    n_found = models.PositiveIntegerField(default=0)
    n_spectra = models.PositiveIntegerField(default=0)
    n_molecules = models.PositiveIntegerField(default=0)
    n_rejected = models.PositiveIntegerField(default=0)
    rdkit_version = models.CharField(max_length=20, blank=True)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["collection", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["collection", "number"], name="one_number_per_reference_version")
        ]

    def __str__(self) -> str:
        return f"{self.collection.name} v{self.number}"


class ReferenceSpectrum(models.Model):
    """A measured spectrum whose molecule is known, and how that is known (`origin`)."""

    version = models.ForeignKey(
        ReferenceVersion, on_delete=models.CASCADE, related_name="spectra", db_index=False
    )
    position = models.PositiveIntegerField(help_text="Place in what the version was made from, from 0.")
    molecule = models.ForeignKey("annotation.Molecule", on_delete=models.PROTECT, related_name="references")
    title = models.CharField(max_length=300, blank=True)
    precursor_mz = models.FloatField()
    adduct = models.CharField(max_length=40)
    ion_mode = models.CharField(max_length=10, blank=True)
    collision_energy = models.CharField(max_length=200, blank=True)
    collision_energy_ev = models.FloatField(null=True)
    instrument = models.CharField(max_length=300, blank=True)
    instrument_type = models.CharField(max_length=100, blank=True)
    license = models.CharField(max_length=100, blank=True)
    origin = models.CharField(max_length=500, help_text="The file and place, or who accepted it and where.")
    verdict = models.ForeignKey(
        "annotation.Verdict", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    n_peaks = models.PositiveIntegerField()
    # Little-endian float64, as read.
    mz_bytes = models.BinaryField()
    intensity_bytes = models.BinaryField()
    splash = models.CharField(max_length=50)

    class Meta:
        ordering = ["version", "position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="one_reference_per_place")
        ]
        indexes = [models.Index(fields=["version", "precursor_mz"], name="reference_precursor")]
        verbose_name_plural = "reference spectra"

    def __str__(self) -> str:
        return self.title or f"reference {self.position + 1} of {self.version_id}"

    def to_exchange(self) -> exchange.Spectrum:
        """What a model may see of it."""
        return exchange.Spectrum(
            mz=np.frombuffer(self.mz_bytes, dtype="<f8"),
            intensity=np.frombuffer(self.intensity_bytes, dtype="<f8"),
            precursor_mz=self.precursor_mz,
            adduct=self.adduct,
            collision_energy=self.collision_energy,
            collision_energy_ev=self.collision_energy_ev,
        )


class ReferenceIssue(models.Model):
    """A spectrum of an imported file that became no reference: where, why and how to mend it."""

    version = models.ForeignKey(ReferenceVersion, on_delete=models.CASCADE, related_name="issues")
    position = models.CharField(max_length=300)
    code = models.CharField(max_length=40)
    reason = models.TextField()
    remedy = models.TextField(blank=True)
    title = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["version", "id"]

    def __str__(self) -> str:
        return f"{self.position}: {self.reason}"
