"""Imports of libraries and of reference collections: how they are requested, and how they are shown."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.api.serializers.catalogue import ImportNoteSerializer
from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.api.strict import StrictSerializer
from annotation.imports.models import VersionImport

PROJECT_HELP = "Slug of the project that owns it; by default that of the token, or the only one you manage."


@extend_schema_serializer(component_name="LibraryFile")
class VersionInputSerializer(StrictSerializer):
    """The file of a new version, with what must be stated of it."""

    file = serializers.FileField(required=False)
    part = serializers.UUIDField(
        required=False, help_text="Instead of `file`: a complete file that was sent to /api/v1/parts."
    )
    license = serializers.CharField(max_length=200, help_text="Of the file, such as CC BY 4.0.")
    source = serializers.CharField(  # type: ignore[assignment]  # the stored name
        max_length=500, help_text="Where the file comes from: an address, a DOI or an author."
    )

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if ("file" in values) == ("part" in values):
            raise serializers.ValidationError({"file": "Send either `file` or `part`."})
        return values


@extend_schema_serializer(component_name="Import")  # as a request: ImportRequest
class ImportInputSerializer(VersionInputSerializer):
    """The file of a new library or collection, or of a new version of one."""

    kind = serializers.ChoiceField(choices=VersionImport.Kind.choices)
    name = serializers.CharField(max_length=120, help_text="Of the library or of the collection.")
    project = serializers.CharField(default="", allow_blank=True, help_text=PROJECT_HELP)
    description = serializers.CharField(
        default="", allow_blank=True, max_length=1000, help_text="Of a new library or collection."
    )


class ImportOptions(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(
        default=False,
        help_text="Only check the file, and publish nothing until `publish` is called. "
        "By default it is published when the check finds anything that can be used.",
    )


class RejectionSerializer(serializers.Serializer[Any]):
    """All rows or spectra that were rejected with one code."""

    code = serializers.CharField()
    reason = serializers.CharField(help_text="Of the first of them.")
    remedy = serializers.CharField(help_text="How to fix it.")
    n = serializers.IntegerField()
    positions = serializers.ListField(child=serializers.CharField(), help_text="Of the first ones.")


class PreviewRowSerializer(serializers.Serializer[Any]):
    """One of the first rows or spectra, as it would be stored."""

    position = serializers.CharField()
    name = serializers.CharField()
    formula = serializers.CharField()
    smiles = serializers.CharField()
    mz = serializers.FloatField(help_text="Exact mass of a molecule, precursor m/z of a spectrum.")
    adduct = serializers.CharField(help_text="Of a spectrum.")


class ImportReportSerializer(serializers.Serializer[Any]):
    """What the check found in the file. n_read = n_accepted + n_rejected."""

    n_read = serializers.IntegerField(help_text="Rows or spectra of the file.")
    n_accepted = serializers.IntegerField(help_text="Rows or spectra that can be used.")
    n_merged = serializers.IntegerField(help_text="Accepted rows with the molecule of an earlier row.")
    n_molecules = serializers.IntegerField()
    n_changed = serializers.IntegerField(help_text="Accepted ones that were changed or corrected.")
    n_rejected = serializers.IntegerField()
    n_added = serializers.IntegerField(help_text="Molecules that the newest version lacks.")
    n_removed = serializers.IntegerField(help_text="Molecules of the newest version that the file lacks.")
    compared_with = serializers.IntegerField(allow_null=True, help_text="Number of that version.")
    notes = ImportNoteSerializer(many=True)
    rejections = RejectionSerializer(many=True)
    preview = PreviewRowSerializer(many=True)


class ImportLinksSerializer(serializers.Serializer[Any]):
    """Addresses of the import, and of all that was rejected."""

    self = serializers.URLField()
    publish = serializers.URLField()
    rejected = serializers.URLField()


class ImportSerializer(ReadOnlyModelSerializer[VersionImport]):
    """A file that was checked, or is a version by now."""

    id = serializers.UUIDField(source="public_id")
    kind = serializers.ChoiceField(choices=VersionImport.Kind.choices)
    state = serializers.ChoiceField(choices=VersionImport.State.choices)
    project = serializers.CharField(
        source="project.slug", allow_null=True, default=None, help_text="Null if it is for all projects."
    )
    requested_by = serializers.CharField(source="requested_by.username")
    published_by = serializers.CharField(source="published_by.username", allow_null=True, default=None)
    report = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField(help_text="Number of the published version.")
    links = serializers.SerializerMethodField()

    class Meta:
        model = VersionImport
        fields = (
            "id",
            "kind",
            "name",
            "project",
            "state",
            "error",
            "n_done",
            "file_name",
            "size_bytes",
            "license",
            "source",
            "publish_at_once",
            "requested_by",
            "published_by",
            "created_at",
            "checked_at",
            "finished_at",
            "expires_at",
            "version",
            "report",
            "links",
        )

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_version(self, row: VersionImport) -> int | None:
        version = row.library_version or row.reference_version
        return version.number if version else None

    @extend_schema_field(ImportReportSerializer(allow_null=True))
    def get_report(self, row: VersionImport) -> dict[str, Any] | None:
        return row.report or None

    @extend_schema_field(ImportLinksSerializer)
    def get_links(self, row: VersionImport) -> dict[str, str]:
        request = self.context["request"]
        names = {"self": "api:import", "publish": "api:import-publish", "rejected": "api:import-rejected"}
        return {key: address(request, name, row.public_id) for key, name in names.items()}
