"""Libraries, models, projects and the server's own state, as the interface shows them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.accounts.models import Project
from annotation.api.serializers.results import address
from annotation.checkpoints.models import ModelVersion
from annotation.libraries.models import Library, LibraryVersion
from annotation.references.models import ReferenceCollection, ReferenceVersion


class VersionShape(serializers.ModelSerializer[LibraryVersion]):
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
        )

    def get_url(self, version: LibraryVersion) -> str:
        return address(self.context["request"], "api:library-version", version.library.name, version.number)


class LibraryShape(serializers.ModelSerializer[Library]):
    project = serializers.CharField(source="project.slug", allow_null=True, default=None)
    versions = VersionShape(many=True)

    class Meta:
        model = Library
        fields: tuple[str, ...] = ("name", "description", "license", "project", "created_at", "versions")


class ReferenceVersionShape(serializers.ModelSerializer[ReferenceVersion]):
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
        )


class CollectionShape(serializers.ModelSerializer[ReferenceCollection]):
    project = serializers.CharField(source="project.slug", allow_null=True, default=None)
    versions = ReferenceVersionShape(many=True)

    class Meta:
        model = ReferenceCollection
        fields: tuple[str, ...] = (
            "name", "description", "license", "project", "is_accepted", "created_at", "versions"
        )  # fmt: skip


class EmbeddedFor(serializers.Serializer[Any]):
    model = serializers.CharField(source="model_version.name")
    checkpoint_sha256 = serializers.CharField(source="model_version.checkpoint_sha256")
    n_embedded = serializers.IntegerField()
    finished_at = serializers.DateTimeField(allow_null=True)


class VersionWhole(VersionShape):
    library = serializers.CharField(source="library.name")
    license = serializers.CharField(source="library.license")
    embeddings = EmbeddedFor(many=True, help_text="How far workers are with each model.")

    class Meta(VersionShape.Meta):
        fields = ("library", "license", *VersionShape.Meta.fields, "embeddings")


class ModelShape(serializers.ModelSerializer[ModelVersion]):
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


class ProjectShape(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields: tuple[str, ...] = ("slug", "name", "description")


class Check(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    detail = serializers.CharField()


class WorkerShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    device = serializers.CharField()
    alive = serializers.BooleanField()
    last_seen_at = serializers.DateTimeField()
    activity = serializers.CharField()
    problem = serializers.CharField(help_text="Why it cannot work, and the remedy; empty while it can.")
    model = serializers.CharField(allow_null=True)


class QueueShape(serializers.Serializer[Any]):
    pending = serializers.IntegerField()
    running = serializers.IntegerField()
    oldest_pending_s = serializers.FloatField(
        allow_null=True, help_text="Age of the oldest pending spectrum."
    )


class StatusShape(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["ok", "degraded"])
    database = Check()
    broker = Check()
    workers = WorkerShape(many=True)
    queue = QueueShape()
    default_model = serializers.CharField(allow_null=True)
    model_loaded = serializers.BooleanField(help_text="A living worker holds the default model.")
