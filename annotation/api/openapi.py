"""Parts of the OpenAPI schema that many operations share: pages, problems, idempotency and 202 answers."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from annotation.api import strict
from annotation.api.pagination import DEFAULT_LIMIT, LARGEST_LIMIT

MEDIA_TYPE = "application/problem+json"


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one field of the request."""

    pointer = serializers.CharField(allow_blank=True, help_text="JSON pointer (RFC 6901) into the request.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457). Some problems have further members."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong, and how to fix it.")
    instance = serializers.CharField(help_text="The path of the request.")
    help = serializers.CharField(required=False, help_text="The page about this type of problem.")
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # the name is in RFC 9457


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description)


PROBLEMS: dict[Any, Any] = {
    (400, MEDIA_TYPE): _problem("The request cannot be read: JSON, form, encoding or a header."),
    (401, MEDIA_TYPE): _problem("The token or session is missing or invalid."),
    (403, MEDIA_TYPE): _problem("You may see this, but you may not do this."),
    (404, MEDIA_TYPE): _problem("Does not exist, or belongs to a project that you cannot see."),
    (406, MEDIA_TYPE): _problem("The server has no representation that you accept."),
    (422, MEDIA_TYPE): _problem(
        "A field or parameter is unknown, missing or invalid. `errors` points to each."
    ),
    (429, MEDIA_TYPE): _problem("Too many requests. Retry-After states the seconds to wait."),
}
WRITE_PROBLEMS: dict[Any, Any] = {
    **PROBLEMS,
    (409, MEDIA_TYPE): _problem("The first request with this Idempotency-Key is still in progress."),
    (412, MEDIA_TYPE): _problem("The record has changed since you looked."),
    (413, MEDIA_TYPE): _problem("The request is too large."),
    (415, MEDIA_TYPE): _problem("The request is neither JSON nor multipart/form-data."),
}
SUBMIT_PROBLEMS: dict[Any, Any] = {
    **WRITE_PROBLEMS,
    (503, MEDIA_TYPE): _problem("The server is reading other files. Retry-After states the seconds to wait."),
}
SEARCH_PROBLEMS: dict[Any, Any] = {
    **PROBLEMS,
    (503, MEDIA_TYPE): _problem("Other searches are running. Retry-After states the seconds to wait."),
}
REVIEW_PROBLEMS: dict[Any, Any] = {
    **WRITE_PROBLEMS,
    (412, MEDIA_TYPE): _problem(
        "Another verdict was added after you looked. `current` is the latest verdict."
    ),
    (428, MEDIA_TYPE): _problem("The If-Match header is missing."),
}
FILE_PROBLEMS: dict[Any, Any] = {
    (409, MEDIA_TYPE): _problem("The file is not built yet. Retry-After states the seconds to wait."),
    (410, MEDIA_TYPE): _problem("There is no file: the export failed, or its time is over."),
}
FEED_PROBLEMS: dict[Any, Any] = {
    (410, MEDIA_TYPE): _problem("Changes after this sequence are no longer kept. Read the lists in full."),
}
FIELDS = OpenApiParameter(
    strict.FIELDS,
    str,
    description="Names of fields, separated by commas: the answer, or each row of a page, has only these.",
)
PAGE = [
    FIELDS,
    OpenApiParameter("cursor", str, description="Taken from `next` or `previous` of another page."),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
        description="Rows per page.",
    ),
]
ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="Send it in If-Match with a verdict.",
)
TAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200], description="Changes with the record."
)
IF_UNCHANGED = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of the record as you saw it. If it has changed since, the answer is 412.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag of the annotation as you saw it.",
)


def close_requests(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook: bodies of requests have no other fields. Spectra may have aliases."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Request") and name != "SpectrumRequest" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return result


def declare_headers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook: the headers of answers, by status and operation."""
    result["components"]["headers"] = {
        name: {"description": text, "schema": {"type": "integer" if name in _NUMBERS else "string"}}
        for name, text in _HEADERS.items()
    }
    for path in result["paths"].values():
        for operation in path.values():
            has_key = any(part["name"] == "Idempotency-Key" for part in operation.get("parameters", ()))
            for status, answer in operation["responses"].items():
                names = [*_OF_STATUS.get(status, ()), *(_LIMITS if status != "401" else ())]
                names += ["Idempotent-Replayed"] if has_key and status.startswith("2") else []
                declared = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
                answer["headers"] = declared | answer.get("headers", {})
    return result


_LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_NUMBERS = (*_LIMITS, "Retry-After")
_HEADERS = {
    "RateLimit-Limit": "Requests per minute.",
    "RateLimit-Remaining": "Requests that are left in this minute.",
    "RateLimit-Reset": "Seconds until the next minute.",
    "Retry-After": "Seconds to wait before the next request.",
    "Location": "Address of the record that the request made.",
    "WWW-Authenticate": "How to authenticate.",
    "Idempotent-Replayed": "`true`: the first answer to this Idempotency-Key.",
}
_OF_STATUS = {
    "202": ("Location", "Retry-After"),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


@cache  # one component, also where several operations answer with the same rows
def page_of(row: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """A page of these rows: the component `PaginatedJobList` for `JobSerializer`."""
    return inline_serializer(
        f"Paginated{row.__name__.removesuffix('Serializer')}List",
        {
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": row(many=True),
        },
    )


def idempotency_key(*, required: bool) -> OpenApiParameter:
    """The header that makes retries of a POST safe."""
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description="A new key for each new request. A retry with the same key and body gets the first "
        "answer again, with the header Idempotent-Replayed. A dry run needs no key.",
    )


def accepted(answer: type[serializers.BaseSerializer[Any]]) -> OpenApiResponse:
    """A 202 answer."""
    description = "Accepted. Poll the address in Location after the seconds in Retry-After."
    return OpenApiResponse(answer, description)
