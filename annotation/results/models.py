"""Results: annotations with full provenance, their candidates and generated molecules."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from annotation.accounts.visibility import OwnedQuerySet


class AnnotationQuerySet(OwnedQuerySet["Annotation"]):
    project_lookup = "job__project"


class Annotation(models.Model):
    """The answer for one feature in one job. Written once, when its item ends, and never changed."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    item = models.OneToOneField("annotation.JobItem", on_delete=models.PROTECT, related_name="annotation")
    job = models.ForeignKey("annotation.Job", on_delete=models.PROTECT, related_name="annotations")
    spectrum = models.ForeignKey("annotation.Spectrum", on_delete=models.PROTECT, related_name="annotations")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # The search
    adduct = models.CharField(max_length=40)
    adduct_assumed = models.BooleanField(default=False)
    adduct_from_ms1 = models.BooleanField(
        default=False, help_text="The file states no adduct; MS1 suggested it and the submitter accepted it."
    )
    neutral_mass = models.FloatField()
    n_in_window = models.PositiveIntegerField(help_text="Molecules of the library in the precursor window.")
    n_candidates = models.PositiveIntegerField()
    proposed_level = models.CharField(
        max_length=4, default="3", help_text="Confidence level that the server proposes. Curators set levels."
    )
    # The method that ranked. It differs from the requested method if the model cannot rank with that.
    method = models.CharField(max_length=20, default="glmr")
    # Calibrated confidence; null if the method gives none
    p_right = models.FloatField(null=True, help_text="Probability that rank 1 is the molecule.")
    p_close = models.FloatField(
        null=True, help_text="Probability that rank 1 is at least 0.6 Tanimoto-similar."
    )
    p_absent = models.FloatField(null=True, help_text="Probability that the molecule is not a candidate.")
    abstains = models.BooleanField(null=True, help_text="“None of these” is the better answer.")
    formula_note = models.TextField(blank=True, help_text="What limited the search for formulas.")
    # Rank 1 again, so that lists and sorting need no join
    top_molecule = models.ForeignKey(
        "annotation.Molecule", null=True, on_delete=models.PROTECT, related_name="+"
    )
    top_generated_similarity = models.FloatField(null=True)
    top_embedding_similarity = models.FloatField(null=True)
    margin = models.FloatField(null=True, help_text="Rank 1 minus rank 2 of the score that ranked.")
    # The library match beside the model's answer. Null where no reference spectrum resembles the spectrum,
    # and in results that are older than these columns.
    best_reference = models.ForeignKey(
        "annotation.ReferenceSpectrum",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The most similar reference spectrum with the precursor.",
    )
    reference_similarity = models.FloatField(null=True, help_text="Its similarity, from 0 to 1.")
    reference_disagreement = models.FloatField(
        null=True,
        help_text="Similarity of the best reference spectrum of any other molecule minus that of the best "
        "one of rank 1; 0 where there is none. Above 0, the references support another molecule.",
    )
    # Provenance. Model, library, parameters, submitter and time of submission belong to the job.
    code_version = models.CharField(max_length=60)
    rdkit_version = models.CharField(max_length=20)
    torch_version = models.CharField(max_length=40)
    preprocessing_version = models.CharField(max_length=20)
    device = models.CharField(max_length=120)
    worker = models.CharField(max_length=120)
    attempt = models.PositiveSmallIntegerField()
    timings_s = models.JSONField(default=dict)
    members = models.JSONField(
        default=list, blank=True, help_text="Evidence of each spectrum. Empty for a feature with one member."
    )

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        ordering = ["job", "item__position"]
        indexes = [
            # The orders by which people look for what to check. Without them, each page sorts the whole job.
            models.Index(fields=["job", "p_right"], name="annotation_by_right"),
            models.Index(fields=["job", "margin"], name="annotation_by_margin"),
            models.Index(fields=["job", "reference_disagreement"], name="annotation_by_disagreement"),
            models.Index(fields=["job"], name="annotation_abstains", condition=models.Q(abstains=True)),
            models.Index(fields=["job", "top_molecule"], name="annotation_by_molecule"),
        ]

    def __str__(self) -> str:
        return f"annotation {self.public_id}"

    @property
    def adduct_source(self) -> str:
        """Where the adduct comes from: file, ms1 (proposed and accepted) or assumed (the job's default)."""
        if self.adduct_from_ms1:
            return "ms1"
        return "assumed" if self.adduct_assumed else "file"


class Candidate(models.Model):
    """A ranked molecule of the library, with each score under its own name."""

    annotation = models.ForeignKey(
        Annotation, on_delete=models.CASCADE, related_name="candidates", db_index=False
    )
    rank = models.PositiveSmallIntegerField()
    molecule = models.ForeignKey("annotation.Molecule", on_delete=models.PROTECT, related_name="+")
    mass_error_ppm = models.FloatField()
    retrieval_rank = models.PositiveSmallIntegerField()
    embedding_similarity = models.FloatField()
    generated_similarity = models.FloatField(null=True)
    probability = models.FloatField(null=True, help_text="Calibrated probability that this is the molecule.")
    evidence = models.JSONField(
        default=dict, help_text="Raw score of each evidence channel; larger is better."
    )

    class Meta:
        ordering = ["annotation", "rank"]
        constraints = [models.UniqueConstraint(fields=["annotation", "rank"], name="one_candidate_per_rank")]
        indexes = [
            # The mass errors of a job, without its other candidates.
            models.Index(
                fields=["annotation"],
                name="candidate_first_error",
                include=["mass_error_ppm"],
                condition=models.Q(rank=1),
            ),
        ]

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.annotation_id}"


class FormulaCandidate(models.Model):
    """A molecular formula within the precursor tolerance, ranked without the library."""

    annotation = models.ForeignKey(
        Annotation, on_delete=models.CASCADE, related_name="formulas", db_index=False
    )
    rank = models.PositiveSmallIntegerField()
    formula = models.CharField(max_length=100)
    mass_error_ppm = models.FloatField()
    n_explained_peaks = models.PositiveIntegerField()
    explained_intensity = models.FloatField()
    isotope_similarity = models.FloatField(null=True)
    probability = models.FloatField()

    class Meta:
        ordering = ["annotation", "rank"]
        constraints = [models.UniqueConstraint(fields=["annotation", "rank"], name="one_formula_per_rank")]

    def __str__(self) -> str:
        return f"{self.formula}, rank {self.rank} of {self.annotation_id}"


class GeneratedMolecule(models.Model):
    """A beam of the language model, a valid molecule or not."""

    annotation = models.ForeignKey(
        Annotation, on_delete=models.CASCADE, related_name="generated", db_index=False
    )
    beam_rank = models.PositiveSmallIntegerField()
    text = models.TextField()
    log_likelihood = models.FloatField()
    smiles = models.TextField(blank=True)
    inchikey_first_block = models.CharField(max_length=14, blank=True)
    formula = models.CharField(max_length=100, blank=True)
    exact_mass = models.FloatField(null=True)
    mass_error_ppm = models.FloatField(null=True)
    in_library = models.BooleanField(
        default=False, help_text="The library version of the job contains the molecule."
    )
    is_proposed = models.BooleanField(
        default=False, help_text="Not in the library, and its mass fits the precursor. Never ranked."
    )

    class Meta:
        ordering = ["annotation", "beam_rank"]
        constraints = [
            models.UniqueConstraint(fields=["annotation", "beam_rank"], name="one_molecule_per_beam")
        ]

    def __str__(self) -> str:
        return f"beam {self.beam_rank} of {self.annotation_id}"
