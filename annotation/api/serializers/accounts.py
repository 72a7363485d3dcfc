"""Service accounts and tokens in the REST interface: how they are made, and how they are shown."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from annotation.accounts.models import ApiToken, Role, ServiceAccount
from annotation.accounts.service_accounts import LONGEST_NAME
from annotation.accounts.tokens import LONGEST_OVERLAP, OVERLAP
from annotation.api.serializers.from_view import ReadOnlyModelSerializer

LONGEST_DAYS = 3650
LONGEST_OVERLAP_HOURS = LONGEST_OVERLAP.days * 24
PROJECT_FIELD_HELP = "Slug of the project. Empty: the project of the token, or the only one that you manage."
SECRET_HELP = "Shown only in this answer. The server stores its hash."  # noqa: S105, a help text


@extend_schema_serializer(component_name="ServiceAccount")  # as a request: ServiceAccountRequest
class ServiceAccountInputSerializer(serializers.Serializer[Any]):
    """A new service account."""

    name = serializers.CharField(
        max_length=LONGEST_NAME, help_text="Letters, digits, - and _. Unique in the project for ever."
    )
    description = serializers.CharField(max_length=300, allow_blank=True, default="")
    role = serializers.ChoiceField(
        choices=Role.choices, default=Role.SUBMITTER, help_text="The most that its tokens may allow."
    )
    project = serializers.CharField(max_length=80, allow_blank=True, default="", help_text=PROJECT_FIELD_HELP)


class ServiceAccountSerializer(ReadOnlyModelSerializer[ServiceAccount]):
    """A machine that acts in one project under its own name."""

    id = serializers.UUIDField(source="public_id")
    project = serializers.CharField(source="project.slug")
    username = serializers.CharField(source="user.username", help_text="How jobs and verdicts name it.")
    role = serializers.ChoiceField(choices=Role.choices)
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)
    closed_at = serializers.DateTimeField(allow_null=True, help_text="Null while it may be used.")

    class Meta:
        model = ServiceAccount
        fields = (
            "id",
            "project",
            "name",
            "username",
            "description",
            "role",
            "created_by",
            "created_at",
            "closed_at",
        )


@extend_schema_serializer(component_name="Token")  # as a request: TokenRequest
class TokenInputSerializer(serializers.Serializer[Any]):
    """A new token of a service account."""

    name = serializers.CharField(
        max_length=100, allow_blank=True, default="", help_text="Empty: the name of the account."
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ApiToken.Scope.choices),
        min_length=1,
        max_length=len(ApiToken.Scope),
        help_text="Only what the machine needs. A token cannot give scopes that it does not have itself.",
    )
    expires_in_days = serializers.IntegerField(
        min_value=1,
        max_value=LONGEST_DAYS,
        allow_null=True,
        default=None,
        help_text="Null: the default of the server, 90 days unless the administrator changed it.",
    )


class TokenSerializer(ReadOnlyModelSerializer[ApiToken]):
    """A token, without its secret."""

    project = serializers.CharField(source="project.slug")
    owner = serializers.CharField(source="user.username")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiToken.Scope.choices))
    replaces = serializers.CharField(
        source="replaces.prefix", allow_null=True, default=None, help_text="Prefix of the rotated token."
    )

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = (
            "prefix",
            "name",
            "project",
            "owner",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
            "replaces",
        )


class NewTokenSerializer(TokenSerializer):
    """A new token with its secret."""

    secret = serializers.CharField(help_text=SECRET_HELP)

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "secret")


class TokenRotationSerializer(serializers.Serializer[Any]):
    """How a token is rotated."""

    overlap_hours = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP_HOURS,
        default=OVERLAP.days * 24,
        help_text="How long the old token still works.",
    )
