"""What machines need: stored responses, which make retries safe, and the feed of changes."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils import timezone

from annotation.accounts.visibility import OwnedQuerySet


class IdempotencyKey(models.Model):
    """The first response to a POST, stored so that a retry with the same key gets it again."""

    # The token that sent the first request, for the record. The answer outlives it.
    token = models.ForeignKey("annotation.ApiToken", null=True, on_delete=models.SET_NULL, related_name="+")
    user = models.ForeignKey("auth.User", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_sha256 = models.CharField(max_length=64, help_text="Over method, path and body.")
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    response_status = models.PositiveSmallIntegerField(null=True)  # null: still in flight
    response_headers = models.JSONField(default=dict)
    response_body = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return self.key


class ChangeQuerySet(OwnedQuerySet["Change"]):
    pass


class Change(models.Model):
    """Something that a client may have seen was added or changed.

    A trigger adds the row, at most one for each object and transaction. `annotation.integration.changes`
    numbers the rows after their commit, and the feed shows numbered rows only.
    """

    class Kind(models.TextChoices):
        JOB = "job", "Job"
        EXPORT = "export", "Export"
        VERDICT = "verdict", "Verdict"

    # No constraint in the database: deleting a project deletes its changes, and nothing else depends on it.
    project = models.ForeignKey(
        "annotation.Project", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    public_id = models.UUIDField(
        help_text="Of the job, of the export, or of the annotation with the verdict."
    )
    transaction = models.BigIntegerField(help_text="Its number in the database that it was written to.")
    sequence = models.BigIntegerField(null=True, unique=True, help_text="Null until the row is numbered.")
    at = models.DateTimeField(help_text="Start of the transaction.")

    objects = ChangeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "kind", "public_id"],
                condition=models.Q(sequence=None),
                name="one_change_per_transaction",
            )
        ]
        indexes = [
            models.Index(fields=["project", "sequence"], name="change_feed"),
            models.Index(fields=["id"], name="change_unnumbered", condition=models.Q(sequence=None)),
            BrinIndex(fields=["at"], name="change_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"
