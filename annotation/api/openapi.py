"""What the OpenAPI document says alike about many operations: pages, problems, idempotency, 202 answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from annotation.api.pagination import DEFAULT_LIMIT, LARGEST_LIMIT

MEDIA_TYPE = "application/problem+json"


class FieldError(serializers.Serializer[Any]):
    pointer = serializers.CharField(allow_blank=True, help_text="JSON pointer (RFC 6901) into the request.")
    detail = serializers.CharField()


class ProblemDetails(serializers.Serializer[Any]):
    """RFC 9457. Some problems carry members of their own besides these."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]  # a member of RFC 9457


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemDetails, description)


PROBLEMS: dict[Any, Any] = {
    (400, MEDIA_TYPE): _problem("Malformed."),
    (401, MEDIA_TYPE): _problem("No token or session, or one that is not valid."),
    (403, MEDIA_TYPE): _problem("Visible, but not allowed."),
    (404, MEDIA_TYPE): _problem("Absent, or of a project that you cannot see."),
    (406, MEDIA_TYPE): _problem("No representation that you accept."),
    (422, MEDIA_TYPE): _problem("Understood, but not possible; `errors` points to each fault."),
    (429, MEDIA_TYPE): _problem("Too many requests; Retry-After says when to come back."),
}
WRITE_PROBLEMS: dict[Any, Any] = {
    **PROBLEMS,
    (409, MEDIA_TYPE): _problem("The first request with this Idempotency-Key is still being answered."),
    (413, MEDIA_TYPE): _problem("Too large."),
    (415, MEDIA_TYPE): _problem("Neither JSON nor multipart/form-data."),
}
REVIEW_PROBLEMS: dict[Any, Any] = {
    **WRITE_PROBLEMS,
    (412, MEDIA_TYPE): _problem(
        "Someone decided in between; `current` is the verdict that you have not seen."
    ),
    (428, MEDIA_TYPE): _problem("If-Match is missing."),
}
PAGE = [
    OpenApiParameter("cursor", str, description="From `next` or `previous` of another page."),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
        description="Rows a page.",
    ),
]


def page_of(shape: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """A page of such rows."""
    return inline_serializer(
        f"PageOf{shape.__name__.removesuffix('Shape')}s",
        {
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": shape(many=True),
        },
    )


def idempotency_key(*, required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description="New for each request that means something new; a retry with the same key and body "
        "gets the first answer again, with the header Idempotent-Replayed. Not needed for a dry run.",
    )


def accepted(shape: type[serializers.BaseSerializer[Any]]) -> OpenApiResponse:
    return OpenApiResponse(shape, "Accepted; Location is where to watch, Retry-After when to look.")


RESPONSE_HEADERS = [
    OpenApiParameter(
        "Location", OpenApiTypes.URI, OpenApiParameter.HEADER, response=[202], description="The job."
    ),
    OpenApiParameter(
        "Retry-After", OpenApiTypes.INT, OpenApiParameter.HEADER, response=[202], description="Seconds."
    ),
]
ETAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 201], description="For If-Match of a verdict."
)
