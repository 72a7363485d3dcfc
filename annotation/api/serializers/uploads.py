"""Uploads in the REST interface, and what was found in them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.spectra.models import SpectrumIssue, Upload


class UploadIssueSerializer(ReadOnlyModelSerializer[SpectrumIssue]):
    """A spectrum that was rejected or repaired, or all spectra that were skipped for one reason."""

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
            "n",
        )


class UploadSerializer(ReadOnlyModelSerializer[Upload]):
    """What was found in a file.

    found = ms2 + skipped, and ms2 = usable + rejected. Repaired spectra are usable. The usable spectra belong
    to `n_features` features.
    """

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
            "n_features",
            "grouping",
        )


class ReportIssueSerializer(serializers.Serializer[Any]):
    """A spectrum that was rejected, repaired or skipped."""

    pointer = serializers.CharField(
        allow_blank=True, help_text="JSON pointer into the request; empty for spectra from a file."
    )
    position = serializers.CharField(help_text="Where in the file or in the list.")
    severity = serializers.CharField(help_text="`rejected`, `repaired` or `skipped`.")
    code = serializers.CharField()
    detail = serializers.CharField(help_text="What is wrong.")
    remedy = serializers.CharField(help_text="How to fix it.")
    title = serializers.CharField()
    n = serializers.IntegerField(
        help_text="Spectra that the line stands for: skipped ones are counted together."
    )


class ReportSerializer(serializers.Serializer[Any]):
    """The pre-flight report: what was found, and each spectrum that was rejected, repaired or skipped."""

    format = serializers.CharField()
    n_found = serializers.IntegerField()
    n_ms2 = serializers.IntegerField()
    n_usable = serializers.IntegerField()
    n_repaired = serializers.IntegerField()
    n_rejected = serializers.IntegerField()
    n_skipped = serializers.IntegerField()
    n_features = serializers.IntegerField(help_text="Features of the usable spectra.")
    issues = ReportIssueSerializer(many=True, help_text="The first thousand. The upload lists all.")
