"""Libraries, reference collections, models, projects and the status of the server in the REST interface."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.accounts.models import Project
from annotation.api.addresses import address
from annotation.api.serializers.from_view import ReadOnlyModelSerializer
from annotation.checkpoints.models import ModelVersion
from annotation.libraries.models import Library, LibraryVersion
from annotation.references.models import ReferenceCollection, ReferenceVersion

SERVER_STATES = (("ok", "OK"), ("degraded", "Degraded"))
FILE_LICENSE_HELP = "As stated for the file of this version; empty if only the licence of the whole is known."
PROJECT_HELP = "Slug of the project that owns it; null if every project may use it."


class ImportNoteSerializer(serializers.Serializer[Any]):
    """One kind of change or assumption of an import, in rows or spectra that are used."""

    code = serializers.CharField(help_text="Stable, for programs.")
    text = serializers.CharField()
    count = serializers.IntegerField(help_text="Number of rows or spectra.")
    examples = serializers.ListField(
        child=serializers.CharField(),
        help_text="The first ones: position, and the structures before and after.",
    )


class LibraryVersionSerializer(ReadOnlyModelSerializer[LibraryVersion]):
    """An immutable version of a candidate library."""

    file_license = serializers.CharField(source="license", help_text=FILE_LICENSE_HELP)
    url = serializers.SerializerMethodField()

    class Meta:
        model = LibraryVersion
        fields: tuple[str, ...] = (
            "number",
            "url",
            "state",
            "failure",
            "source_file_name",
            "source_sha256",
            "content_sha256",
            "n_rows",
            "n_molecules",
            "n_merged",
            "n_rejected",
            "rdkit_version",
            "created_at",
            "finished_at",
            "file_license",
            "source",
        )

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, version: LibraryVersion) -> str:
        return address(self.context["request"], "api:library-version", version.library.name, version.number)


class LibrarySerializer(ReadOnlyModelSerializer[Library]):
    """A candidate library with its versions, newest first."""

    project = serializers.CharField(source="project.slug", allow_null=True, help_text=PROJECT_HELP)
    versions = LibraryVersionSerializer(many=True)

    class Meta:
        model = Library
        fields: tuple[str, ...] = ("name", "description", "license", "project", "created_at", "versions")


class ReferenceVersionSerializer(ReadOnlyModelSerializer[ReferenceVersion]):
    """An immutable version of a collection of reference spectra."""

    file_license = serializers.CharField(source="license", help_text=FILE_LICENSE_HELP)
    import_notes = ImportNoteSerializer(many=True)

    class Meta:
        model = ReferenceVersion
        fields: tuple[str, ...] = (
            "number",
            "state",
            "failure",
            "source_file_name",
            "source_sha256",
            "content_sha256",
            "n_found",
            "n_spectra",
            "n_molecules",
            "n_rejected",
            "rdkit_version",
            "created_at",
            "import_notes",
            "file_license",
            "source",
        )


class ReferenceCollectionSerializer(ReadOnlyModelSerializer[ReferenceCollection]):
    """A collection of reference spectra with its versions, newest first."""

    project = serializers.CharField(source="project.slug", allow_null=True, help_text=PROJECT_HELP)
    versions = ReferenceVersionSerializer(many=True)

    class Meta:
        model = ReferenceCollection
        fields: tuple[str, ...] = (
            "name", "description", "license", "project", "is_accepted", "created_at", "versions"
        )  # fmt: skip


class LibraryEmbeddingSerializer(serializers.Serializer[Any]):
    """The progress of embedding a library version for one model."""

    model = serializers.CharField(source="model_version.name")
    checkpoint_sha256 = serializers.CharField(source="model_version.checkpoint_sha256")
    n_embedded = serializers.IntegerField(help_text="Molecules embedded so far.")
    finished_at = serializers.DateTimeField(allow_null=True, help_text="Null until all are embedded.")


class LibraryVersionDetailSerializer(LibraryVersionSerializer):
    """A version of a candidate library, with the models that it is embedded for."""

    library = serializers.CharField(source="library.name")
    license = serializers.CharField(source="library.license")
    embeddings = LibraryEmbeddingSerializer(many=True)
    import_notes = ImportNoteSerializer(many=True)

    class Meta(LibraryVersionSerializer.Meta):
        fields = ("library", "license", *LibraryVersionSerializer.Meta.fields, "embeddings", "import_notes")


class ModelVersionSerializer(ReadOnlyModelSerializer[ModelVersion]):
    """A registered checkpoint with its hashes, training data and metrics."""

    config = serializers.DictField()
    training = serializers.DictField()
    metrics = serializers.DictField()

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "name",
            "method",
            "checkpoint_sha256",
            "ranking_sha256",
            "tokenizer_sha256",
            "embedding_dim",
            "config",
            "training",
            "metrics",
            "license",
            "is_default",
            "registered_at",
        )


class ProjectSerializer(ReadOnlyModelSerializer[Project]):
    """A project that the caller may see."""

    class Meta:
        model = Project
        fields: tuple[str, ...] = ("slug", "name", "description")


class ServiceCheckSerializer(serializers.Serializer[Any]):
    """Whether a service answers."""

    ok = serializers.BooleanField()
    detail = serializers.CharField()


class WorkerSerializer(serializers.Serializer[Any]):
    """A worker process and its last heartbeat."""

    name = serializers.CharField()
    device = serializers.CharField()
    alive = serializers.BooleanField()
    last_seen_at = serializers.DateTimeField()
    activity = serializers.CharField()
    problem = serializers.CharField(help_text="Why it cannot work, and how to fix it; empty if it can.")
    model = serializers.CharField(allow_null=True)


class QueueSerializer(serializers.Serializer[Any]):
    """Spectra that wait for a worker or are being processed, in all projects."""

    pending = serializers.IntegerField()
    running = serializers.IntegerField()
    oldest_pending_s = serializers.FloatField(
        allow_null=True, help_text="Age of the oldest pending spectrum."
    )


class ServerStatusSerializer(serializers.Serializer[Any]):
    """The status of the server."""

    state = serializers.ChoiceField(
        choices=SERVER_STATES,
        help_text="`degraded`: the broker, a working worker or a default model is missing. No data are lost.",
    )
    database = ServiceCheckSerializer()
    broker = ServiceCheckSerializer()
    workers = WorkerSerializer(many=True)
    queue = QueueSerializer()
    default_model = serializers.CharField(allow_null=True)
    model_loaded = serializers.BooleanField(
        help_text="At least one worker that is alive has loaded the default model."
    )
