"""The decisions of curators: append-only verdicts. The latest one is the current one."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.db import models
from django.utils import timezone


class VerdictQuerySet(models.QuerySet["Verdict"]):
    def latest_of(self, annotation_ids: Collection[int]) -> dict[int, Verdict]:
        """The current verdict of each annotation that has one, by annotation. One query."""
        verdicts = (
            self.filter(annotation_id__in=annotation_ids)
            .with_decision()
            .order_by("annotation_id", "-id")
            .distinct("annotation_id")
        )
        return {verdict.annotation_id: verdict for verdict in verdicts}

    def with_decision(self) -> VerdictQuerySet:
        """With the curator and the chosen molecule loaded."""
        rows = self.select_related("decided_by", "candidate__molecule")
        return rows.defer("candidate__molecule__fingerprint")


class Verdict(models.Model):
    """The decision of a curator on an annotation, with the list exactly as it was shown.

    A trigger in the database refuses UPDATE and DELETE. To change a decision, add a verdict.
    """

    class Decision(models.TextChoices):
        ACCEPT = "accept", "Accept rank 1"
        CHOOSE = "choose", "Choose another candidate"
        PROPOSE = "propose", "Propose own structure"
        WRONG_ADDUCT = "wrong_adduct", "Wrong adduct"
        MIXTURE = "mixture", "Mixture"
        INSUFFICIENT = "insufficient", "Insufficient evidence"
        REJECT = "reject", "Reject"

    class Level(models.TextChoices):
        """Schymanski et al. 2014, doi:10.1021/es5002105."""

        L1 = "1", "1 confirmed by a reference standard"
        L2A = "2a", "2a library spectrum match"
        L2B = "2b", "2b diagnostic evidence"
        L3 = "3", "3 tentative candidate"
        L4 = "4", "4 molecular formula"
        L5 = "5", "5 exact mass"

    annotation = models.ForeignKey("annotation.Annotation", on_delete=models.PROTECT, related_name="verdicts")
    decision = models.CharField(max_length=20, choices=Decision.choices)
    candidate = models.ForeignKey(
        "annotation.Candidate", null=True, on_delete=models.PROTECT, related_name="verdicts"
    )
    proposed_smiles = models.TextField(blank=True)
    level = models.CharField(max_length=2, choices=Level.choices, blank=True)
    as_reference = models.BooleanField(
        default=False, help_text="The spectrum may serve as a reference for this structure."
    )
    reason = models.TextField(blank=True, help_text="Required for every decision but accept.")
    comment = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="verdicts"
    )
    decided_at = models.DateTimeField(default=timezone.now, editable=False)
    # Ranks and scores as the page showed them, so that the record of a decision needs no other row.
    shown = models.JSONField()

    objects = VerdictQuerySet.as_manager()

    class Meta:
        ordering = ["annotation", "id"]

    def __str__(self) -> str:
        return f"{self.decision} by {self.decided_by} on {self.decided_at:%Y-%m-%d}"

    @property
    def smiles(self) -> str:
        """The structure that was chosen or drawn; empty if the decision names none."""
        return self.proposed_smiles or (self.candidate.molecule.smiles if self.candidate else "")
