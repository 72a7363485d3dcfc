"""Reference spectra: measured spectra of known compounds, in versions that never change once ready."""

from __future__ import annotations

import numpy as np
from django.conf import settings
from django.db import models
from django.utils import timezone

from annotation.accounts.visibility import SharedQuerySet
from annotation.libraries.versions import VersionQuerySet, VersionState
from models_ml.spectra import spectrum as exchange


class ReferenceCollectionQuerySet(SharedQuerySet["ReferenceCollection"]):
    pass


class ReferenceVersionQuerySet(VersionQuerySet["ReferenceVersion"]):
    project_lookup = "collection__project"

    def default(self) -> ReferenceVersion | None:
        """The version that a job uses by default: the newest ready one. One query.

        Spectra that curators accepted come last, because a few of them must not displace an imported
        collection.
        """
        newest = self.ready().order_by("collection__is_accepted", "-created_at", "-pk")
        return newest.select_related("collection").first()


class ReferenceCollection(models.Model):
    """A named set of reference spectra. Without a project it is shared with all projects."""

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    license = models.CharField(max_length=200, blank=True)
    project = models.ForeignKey(
        "annotation.Project", null=True, blank=True, on_delete=models.PROTECT, related_name="references"
    )
    is_accepted = models.BooleanField(
        default=False,
        help_text="Contains the spectra that curators of the project accepted. Created by the server.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ReferenceCollectionQuerySet.as_manager()

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
    """One import of a collection. Results name the version that they were computed with."""

    State = VersionState

    collection = models.ForeignKey(ReferenceCollection, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.IMPORTING)
    failure = models.TextField(blank=True)
    source_file_name = models.CharField(max_length=255, blank=True)
    source_sha256 = models.CharField(max_length=64, blank=True)
    license = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="Of the file, as stated."
    )
    source = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Where the file comes from."
    )
    # SHA-256 over the sorted spectra, each as SPLASH, molecule, adduct and precursor.
    content_sha256 = models.CharField(max_length=64, blank=True)
    n_found = models.PositiveIntegerField(default=0)
    n_spectra = models.PositiveIntegerField(default=0)
    n_molecules = models.PositiveIntegerField(default=0)
    n_rejected = models.PositiveIntegerField(default=0)
    rdkit_version = models.CharField(max_length=20, blank=True)
    import_notes = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="What the import changed or assumed in spectra that it used, by kind.",
    )
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ReferenceVersionQuerySet.as_manager()

    class Meta:
        ordering = ["collection", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["collection", "number"], name="one_number_per_reference_version")
        ]

    def __str__(self) -> str:
        return f"{self.collection.name} v{self.number}"


class ReferenceSpectrum(models.Model):
    """A measured spectrum of a known molecule. `origin` states where this knowledge comes from."""

    version = models.ForeignKey(
        ReferenceVersion, on_delete=models.CASCADE, related_name="spectra", db_index=False
    )
    position = models.PositiveIntegerField(help_text="Index in the source of the version, from 0.")
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
    contributor = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="As the record states it."
    )
    origin = models.CharField(
        max_length=500, help_text="The file and index, or who accepted the spectrum and where."
    )
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
        indexes = [
            models.Index(fields=["version", "precursor_mz"], name="reference_precursor"),
            models.Index(fields=["title"], name="reference_title"),  # accessions
        ]
        verbose_name_plural = "reference spectra"

    def __str__(self) -> str:
        return self.title or f"reference {self.position + 1} of {self.version_id}"

    def to_exchange(self) -> exchange.Spectrum:
        """The spectrum as a model receives it."""
        return exchange.Spectrum(
            mz=np.frombuffer(self.mz_bytes, dtype="<f8"),
            intensity=np.frombuffer(self.intensity_bytes, dtype="<f8"),
            precursor_mz=self.precursor_mz,
            adduct=self.adduct,
            collision_energy=self.collision_energy,
            collision_energy_ev=self.collision_energy_ev,
        )


class ReferenceIssue(models.Model):
    """A spectrum of an imported file that is no reference: its position, the reason, and how to fix it."""

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
