"""Candidate libraries: named sets of molecules, in versions that never change once they are ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from pgvector.django import VectorField

from annotation.accounts.visibility import SharedQuerySet
from annotation.libraries.versions import VersionQuerySet, VersionState
from models_ml.molecules.fingerprint import N_BITS
from models_ml.molecules.substructure import PATTERN_BITS

if TYPE_CHECKING:
    _TextField = models.Field[str, str]
else:
    _TextField = models.Field


class LibraryQuerySet(SharedQuerySet["Library"]):
    pass


class LibraryVersionQuerySet(VersionQuerySet["LibraryVersion"]):
    project_lookup = "library__project"

    def newest_of_each_library(self) -> LibraryVersionQuerySet:
        return self.order_by("library_id", "-number").distinct("library_id")


class Library(models.Model):
    """A named set of candidates. Without a project it is shared with all projects."""

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    license = models.CharField(max_length=200, blank=True)
    project = models.ForeignKey(
        "annotation.Project", null=True, blank=True, on_delete=models.PROTECT, related_name="libraries"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LibraryQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "libraries"

    def __str__(self) -> str:
        return self.name


class LibraryVersion(models.Model):
    """One import of a library. Results name the version that they were computed with."""

    State = VersionState

    library = models.ForeignKey(Library, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.IMPORTING)
    failure = models.TextField(blank=True)
    source_file_name = models.CharField(max_length=255)
    source_sha256 = models.CharField(max_length=64)
    license = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="Of the file, as stated."
    )
    source = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Where the file comes from."
    )
    # SHA-256 over the sorted InChIKey first blocks. Equal hash, equal candidates.
    content_sha256 = models.CharField(max_length=64, blank=True)
    n_rows = models.PositiveIntegerField(default=0)
    n_molecules = models.PositiveIntegerField(default=0)
    n_merged = models.PositiveIntegerField(default=0, help_text="Rows with a molecule of an earlier row.")
    n_rejected = models.PositiveIntegerField(default=0)
    rdkit_version = models.CharField(max_length=20, blank=True)
    import_notes = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="What the import changed or assumed in rows that it used, by kind (import_notes.py).",
    )
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = LibraryVersionQuerySet.as_manager()

    class Meta:
        ordering = ["library", "-number"]
        constraints = [models.UniqueConstraint(fields=["library", "number"], name="one_number_per_version")]

    def __str__(self) -> str:
        return f"{self.library.name} v{self.number}"


class Molecule(models.Model):
    """A standardised structure, identified by the first block of its InChIKey. All libraries share it."""

    inchikey_first_block = models.CharField(max_length=14, unique=True)
    smiles = models.TextField(help_text="Canonical, without stereo, neutral, largest fragment.")
    formula = models.CharField(max_length=100)
    exact_mass = models.FloatField(db_index=True)
    fingerprint = models.BinaryField(help_text="Morgan, radius 2, 2048 bits, packed into 256 bytes.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["formula"], name="molecule_by_formula")]

    def __str__(self) -> str:
        return self.inchikey_first_block


class BitsField(_TextField):
    """A fixed number of bits as text of 0 and 1, stored as PostgreSQL's bit type, which screens in SQL."""

    def __init__(self, *args: Any, n_bits: int, **kwargs: Any) -> None:
        self.n_bits = n_bits
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "n_bits": self.n_bits}

    def db_type(self, connection: Any) -> str:
        return f"bit({self.n_bits})"


class MoleculeBits(models.Model):
    """The fingerprint of a molecule in a form that PostgreSQL compares, for the search by similarity.

    A trigger adds the row with the molecule, so every molecule has one. It is no column of the molecule,
    because most queries load molecules whole.
    """

    molecule = models.OneToOneField(Molecule, primary_key=True, on_delete=models.CASCADE, related_name="bits")
    bits = BitsField(n_bits=N_BITS, help_text="The same bits as in the fingerprint of the molecule.")

    class Meta:
        verbose_name_plural = "molecule bits"

    def __str__(self) -> str:
        return f"bits of {self.molecule_id}"


class MoleculePattern(models.Model):
    """What a substructure search needs of a molecule. Workers add the rows when they have no other work.

    It speeds the search up and never decides it: molecules without a row are read from their SMILES.
    """

    molecule = models.OneToOneField(
        Molecule, primary_key=True, on_delete=models.CASCADE, related_name="pattern"
    )
    bits = BitsField(
        n_bits=PATTERN_BITS, help_text="RDKit pattern fingerprint: a substructure has a subset of the bits."
    )
    structure = models.BinaryField(help_text="RDKit's binary form, which is read faster than SMILES.")

    def __str__(self) -> str:
        return f"pattern of {self.molecule_id}"


class LibraryEntry(models.Model):
    """A molecule of one library version, with the structure as drawn in its source."""

    # The unique constraint below begins with this foreign key and serves as its index.
    version = models.ForeignKey(
        LibraryVersion, on_delete=models.CASCADE, related_name="entries", db_index=False
    )
    molecule = models.ForeignKey(Molecule, on_delete=models.PROTECT, related_name="entries")
    exact_mass = models.FloatField(
        help_text="Mass of the molecule, copied here so that one index finds a mass window."
    )
    row_number = models.PositiveIntegerField(help_text="First row of the source with this molecule, from 1.")
    source_id = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=500, blank=True)
    drawn_smiles = models.TextField(help_text="As drawn, with stereo and salts, as canonical SMILES.")
    inchikey = models.CharField(max_length=27, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "molecule"], name="one_entry_per_molecule")]
        indexes = [models.Index(fields=["version", "exact_mass"], name="entry_mass_window")]
        verbose_name_plural = "library entries"

    def __str__(self) -> str:
        return self.name or self.source_id or str(self.molecule_id)


class LibraryRowIssue(models.Model):
    """A row of an imported file that gave no molecule: its position, the reason, and how to fix it."""

    version = models.ForeignKey(LibraryVersion, on_delete=models.CASCADE, related_name="issues")
    row_number = models.PositiveIntegerField()
    position = models.CharField(max_length=200)
    code = models.CharField(max_length=40)
    reason = models.TextField()
    remedy = models.TextField(blank=True)
    text = models.CharField(max_length=300, blank=True, help_text="Start of the row.")

    class Meta:
        ordering = ["version", "row_number"]

    def __str__(self) -> str:
        return f"{self.position}: {self.reason}"


class MoleculeEmbedding(models.Model):
    """The vector of a molecule in the space of one model version, with unit length.

    The column has no fixed width, because the width depends on the model. Each model version has its own
    index for open search, over its rows cast to its width.
    """

    molecule = models.ForeignKey(Molecule, on_delete=models.CASCADE, related_name="embeddings")
    model_version = models.ForeignKey(
        "annotation.ModelVersion", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    vector = VectorField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model_version", "molecule"], name="one_embedding_per_model")
        ]

    def __str__(self) -> str:
        return f"{self.molecule_id} by model {self.model_version_id}"


class LibraryEmbedding(models.Model):
    """Progress of the embedding of a library version for a model version."""

    version = models.ForeignKey(LibraryVersion, on_delete=models.CASCADE, related_name="embeddings")
    model_version = models.ForeignKey("annotation.ModelVersion", on_delete=models.CASCADE, related_name="+")
    n_embedded = models.PositiveIntegerField(default=0)
    requested_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "model_version"], name="one_embedding_run_per_model")
        ]

    def __str__(self) -> str:
        return f"{self.version} by {self.model_version}"
