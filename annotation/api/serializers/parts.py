"""Files that arrive in parts."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.api.strict import StrictSerializer
from annotation.spectra import partial
from annotation.spectra.models import PartialUpload


@extend_schema_serializer(component_name="PartialFile")  # as a request: PartialFileRequest
class PartialFileInputSerializer(StrictSerializer):
    """A file that is about to be sent."""

    file_name = serializers.CharField(max_length=255)
    size_bytes = serializers.IntegerField(min_value=0)
    project = serializers.CharField(
        default="", allow_blank=True, help_text="Slug; by default that of the token, or your only one."
    )


class PartOptions(serializers.Serializer[Any]):
    offset = serializers.IntegerField(min_value=0, help_text="Bytes sent before.")


class PartialFileSerializer(ReadOnlyModelSerializer[PartialUpload]):
    """A file that arrives in parts. It is deleted after a day if nothing takes it."""

    id = serializers.UUIDField(source="public_id")
    project = serializers.CharField(source="project.slug", allow_null=True, default=None)
    offset = serializers.SerializerMethodField(help_text="Bytes that have arrived. Continue there.")
    url = serializers.SerializerMethodField()

    class Meta:
        model = PartialUpload
        fields = ("id", "url", "project", "file_name", "size_bytes", "offset", "created_at")

    @extend_schema_field(serializers.IntegerField())
    def get_offset(self, part: PartialUpload) -> int:
        return partial.offset(part)

    @extend_schema_field(serializers.URLField())
    def get_url(self, part: PartialUpload) -> str:
        return address(self.context["request"], "api:part", part.public_id)
