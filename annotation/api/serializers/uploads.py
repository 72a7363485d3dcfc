"""Uploads and what was found in them, as the interface shows it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.spectra.models import SpectrumIssue, Upload


class IssueShape(serializers.ModelSerializer[SpectrumIssue]):
    class Meta:
        model = SpectrumIssue
        fields: tuple[str, ...] = (
            "source_index",
            "position",
            "severity",
            "code",
            "reason",
            "remedy",
            "title",
        )


class UploadShape(serializers.ModelSerializer[Upload]):
    """What was found in a file. found = ms2 + skipped; ms2 = usable + rejected; repaired are usable."""

    project = serializers.CharField(source="project.slug")
    uploaded_by = serializers.CharField(source="uploaded_by.username")
    url = serializers.HyperlinkedIdentityField(view_name="api:upload", lookup_field="pk")

    class Meta:
        model = Upload
        fields: tuple[str, ...] = (
            "id",
            "url",
            "project",
            "uploaded_by",
            "created_at",
            "file_name",
            "size_bytes",
            "sha256",
            "format",
            "state",
            "refusal",
            "n_found",
            "n_ms2",
            "n_usable",
            "n_repaired",
            "n_rejected",
            "n_skipped",
        )


class Rejected(serializers.Serializer[Any]):
    """A spectrum that was not taken, or taken after a repair; `pointer` leads to it in a JSON request."""

    pointer = serializers.CharField(allow_blank=True)
    position = serializers.CharField()
    severity = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()
    remedy = serializers.CharField()
    title = serializers.CharField()


class Report(serializers.Serializer[Any]):
    """The pre-flight report: what was found, and each spectrum that was rejected, repaired or skipped."""

    format = serializers.CharField()
    n_found = serializers.IntegerField()
    n_ms2 = serializers.IntegerField()
    n_usable = serializers.IntegerField()
    n_repaired = serializers.IntegerField()
    n_rejected = serializers.IntegerField()
    n_skipped = serializers.IntegerField()
    issues = Rejected(many=True, help_text="The first thousand; the upload lists all.")
