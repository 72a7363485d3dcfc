"""The feed of changes in the REST interface."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.api.pagination import DEFAULT_LIMIT, LARGEST_LIMIT
from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.integration.models import Change

# The record that each kind of change is about.
ROUTES = {
    Change.Kind.JOB: "api:job",
    Change.Kind.EXPORT: "api:export",
    Change.Kind.VERDICT: "api:annotation",
}


class ChangeSerializer(ReadOnlyModelSerializer[Change]):
    """Something was added or changed. Read `url` for its present state."""

    kind = serializers.ChoiceField(
        choices=Change.Kind.choices,
        help_text="`job`: submitted, progressed, ended, or a verdict was added. `export`: requested, built "
        "or expired. `verdict`: added to the annotation.",
    )
    id = serializers.UUIDField(
        source="public_id", help_text="Of the job, of the export, or of the annotation with the verdict."
    )
    project = serializers.CharField(source="project.slug")
    url = serializers.SerializerMethodField()
    changed_at = serializers.DateTimeField(
        source="at", help_text="When the transaction began. Not in order: a slow one is listed later."
    )

    class Meta:
        model = Change
        fields = ("sequence", "kind", "id", "project", "url", "changed_at")

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, change: Change) -> str:
        return address(self.context["request"], ROUTES[Change.Kind(change.kind)], change.public_id)


class ChangeListSerializer(serializers.Serializer[Any]):
    """Changes in the order of the feed."""

    results = ChangeSerializer(many=True)
    next = serializers.URLField(help_text="Ask here the next time, also if there is nothing more now.")
    has_more = serializers.BooleanField(help_text="Ask again at once.")


class ChangeFilters(serializers.Serializer[Any]):
    after = serializers.RegexField(
        r"^(now|[0-9]{1,18})$",
        required=False,
        help_text="Only changes after this `sequence`; `now` for none but later ones. Default: from the "
        "oldest change that is kept.",
        error_messages={"invalid": "Must be the `sequence` of a change, or `now`."},
    )
    kind = serializers.ChoiceField(choices=Change.Kind.choices, required=False)
    limit = serializers.IntegerField(
        min_value=1, max_value=LARGEST_LIMIT, required=False, default=DEFAULT_LIMIT
    )
