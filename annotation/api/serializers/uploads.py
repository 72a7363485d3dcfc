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
            "sample",
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


class ObstacleSerializer(serializers.Serializer[Any]):
    """Features that cannot be annotated for one reason."""

    code = serializers.CharField(
        help_text="`no_adduct`, `no_enforced_adduct`, `unsuitable_adduct`, `no_precursor`, "
        "`unsupported_adduct` or `impossible_mass`."
    )
    n_features = serializers.IntegerField()
    text = serializers.CharField(help_text="Such as `65 lack an adduct`.")
    detail = serializers.CharField(help_text="What is wrong with the first of them, and how to fix it.")


class PreflightSerializer(serializers.Serializer[Any]):
    """What a job with these parameters would do with the features. The page of the report shows the same."""

    n_ready = serializers.IntegerField(help_text="Features that can be annotated.")
    n_no_adduct = serializers.IntegerField(help_text="Features whose file states no adduct.")
    n_proposed = serializers.IntegerField(help_text="Of these, features for which MS1 suggests one.")
    n_assumed = serializers.IntegerField(help_text="Ready features with an adduct of `assumed_adducts`.")
    n_from_ms1 = serializers.IntegerField(help_text="Ready features with the adduct that MS1 suggests.")
    obstacles = ObstacleSerializer(many=True, help_text="Why the other features cannot be annotated.")
    action = serializers.CharField(help_text="The summary in one line.")


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
    preflight = PreflightSerializer()
