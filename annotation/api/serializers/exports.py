"""Exports in the REST interface: how they are requested, and how they are shown."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.api.strict import StrictSerializer, unknown_names
from annotation.exports.actions import LARGEST_TOP
from annotation.exports.models import Export
from annotation.exports.selection import LONGEST_FILTER
from annotation.tables.filter_form import FILTER_NAMES

# What else the address of a job's page may hold. It does not select features.
ADDRESS_NAMES = ("sort", "after", "before")


@extend_schema_serializer(component_name="Export")  # as a request: ExportRequest
class ExportInputSerializer(StrictSerializer):
    """A new export of a job."""

    format = serializers.ChoiceField(choices=Export.Format.choices)
    top = serializers.IntegerField(
        min_value=1,
        max_value=LARGEST_TOP,
        default=1,
        help_text="Candidates of each feature. Candidates with the same score as the last are included.",
    )
    filter = serializers.CharField(
        allow_blank=True,
        max_length=LONGEST_FILTER,
        default="",
        help_text="The query of the job page that selects the features, such as `state=done`. Empty: all.",
    )

    def validate_filter(self, query: str) -> str:
        """A misspelt parameter would select every feature."""
        if unknown := unknown_names(QueryDict(query), (*FILTER_NAMES, *ADDRESS_NAMES), "parameter"):
            raise serializers.ValidationError([text for texts in unknown.values() for text in texts])
        return query


class ExportLinksSerializer(serializers.Serializer[Any]):
    """Addresses of the export, its file and its job."""

    self = serializers.URLField()
    file = serializers.URLField()
    job = serializers.URLField()


class ExportSerializer(ReadOnlyModelSerializer[Export]):
    """A file of results that the server builds."""

    id = serializers.UUIDField(source="public_id")
    job = serializers.UUIDField(source="job.public_id")
    format = serializers.ChoiceField(choices=Export.Format.choices)
    state = serializers.ChoiceField(choices=Export.State.choices)
    requested_by = serializers.CharField(source="requested_by.username")
    links = serializers.SerializerMethodField()

    class Meta:
        model = Export
        fields = (
            "id",
            "job",
            "format",
            "filter",
            "top",
            "state",
            "error",
            "requested_by",
            "created_at",
            "started_at",
            "finished_at",
            "expires_at",
            "snapshot_id",
            "snapshot_at",
            "n_features",
            "n_rows",
            "size_bytes",
            "sha256",
            "links",
        )

    @extend_schema_field(ExportLinksSerializer)
    def get_links(self, export: Export) -> dict[str, str]:
        request = self.context["request"]
        return {
            "self": address(request, "api:export", export.public_id),
            "file": address(request, "api:export-file", export.public_id),
            "job": address(request, "api:job", export.job.public_id),
        }
