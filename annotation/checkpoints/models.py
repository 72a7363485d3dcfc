"""Model versions: the checkpoints that a job can run with, each pinned by the hashes of its files."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def default(self) -> ModelVersion | None:
        """The model that a new job uses if its submitter names none."""
        return self.filter(is_default=True).first()

    def matching(self, text: str) -> ModelVersionQuerySet:
        """Models with this name, or whose checkpoint's SHA-256 starts with the text."""
        return self.filter(models.Q(name=text) | models.Q(checkpoint_sha256__startswith=text.lower()))


class ModelVersion(models.Model):
    """A checkpoint, identified by the hashes of its weights and of its ranking. Equal hashes, equal ranks."""

    name = models.CharField(max_length=100)
    method = models.CharField(max_length=40, default="glmr")
    checkpoint_sha256 = models.CharField(max_length=64)
    ranking_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Hash of the files for method fused. Empty: only glmr."
    )
    tokenizer_sha256 = models.CharField(max_length=64)
    folder = models.CharField(max_length=500, help_text="Where workers find the checkpoint.")
    embedding_dim = models.PositiveIntegerField()
    config = models.JSONField(default=dict)
    training = models.JSONField(default=dict, help_text="Data and commands that made the weights.")
    metrics = models.JSONField(default=dict, help_text="Measured values, controls included.")
    license = models.CharField(max_length=200, blank=True)
    is_default = models.BooleanField(default=False)
    registered_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-registered_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_model"
            ),
            models.UniqueConstraint(
                fields=["checkpoint_sha256", "ranking_sha256"], name="one_version_per_weights_and_ranking"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.checkpoint_sha256[:8]})"
