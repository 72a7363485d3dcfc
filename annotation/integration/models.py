"""Stored responses, which make retries of machines safe."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class IdempotencyKey(models.Model):
    """The first response to a POST, stored so that a retry with the same key gets it again."""

    token = models.ForeignKey("annotation.ApiToken", null=True, on_delete=models.CASCADE, related_name="+")
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
