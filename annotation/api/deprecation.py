"""Tells clients that an operation will go: the headers Deprecation (RFC 9745) and Sunset (RFC 8594).

An operation is deprecated by its `extend_schema`: `deprecated=True` and `extensions=deprecated(...)`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from django.utils.http import http_date
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView

SINCE, SUNSET = "x-deprecated-since", "x-sunset"


def deprecated(*, since: date, sunset: date) -> dict[str, str]:
    """Extensions of an operation that is deprecated since a day and may go on another."""
    return {SINCE: since.isoformat(), SUNSET: sunset.isoformat()}


def headers(view: APIView, request: Request) -> dict[str, str]:
    """The headers of an answer; none if the operation is not deprecated."""
    handler = getattr(view, (request.method or "").lower(), None)
    declared = getattr(handler, "kwargs", {}).get("schema")
    if declared is None:
        return {}
    schema = declared()
    schema.view = view
    extensions = schema.get_extensions()
    if SINCE not in extensions:
        return {}
    return {
        "Deprecation": f"@{_seconds(extensions[SINCE])}",
        "Sunset": http_date(_seconds(extensions[SUNSET])),
        "Link": '</help/reference/rest.html#deprecation>; rel="deprecation"; type="text/html"',
    }


def _seconds(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
