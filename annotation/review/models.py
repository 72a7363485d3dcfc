"""What people decided: verdicts, append-only; the current one is the latest."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Verdict(models.Model):
    """One decision of one curator on one annotation, with the list exactly as it was shown.

    A trigger in the database refuses UPDATE and DELETE: to change one's mind is to add a verdict.
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
        default=False, help_text="The curator lets the spectrum serve as a reference for this structure."
    )
    reason = models.TextField(blank=True, help_text="Required wherever the curator departs from the machine.")
    comment = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="verdicts"
    )
    decided_at = models.DateTimeField(default=timezone.now, editable=False)
    # Ranks and scores as they stood on the page, so that the record of a decision needs no other row.
    shown = models.JSONField()

    class Meta:
        ordering = ["annotation", "id"]

    def __str__(self) -> str:
        return f"{self.decision} by {self.decided_by} on {self.decided_at:%Y-%m-%d}"
