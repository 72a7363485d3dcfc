"""Bodies of requests, bounded before they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from annotation.api.problems import Problem


class BoundedJSON(JSONParser):
    """JSON of at most GLMR_MAX_JSON_BYTES; NaN and Infinity are no JSON."""

    strict = True

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        announced = _announced((parser_context or {}).get("request"))
        limit = settings.GLMR_MAX_JSON_BYTES
        if announced > limit:
            raise Problem(
                413,
                f"The request announces {announced:,} bytes of JSON; at most {limit:,} are taken. "
                "Send the spectra in several jobs, or as a file (multipart/form-data).",
            )
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


def _announced(request: Request | None) -> int:
    """Bytes of the body by the request's own word, which is all that the server will read of it."""
    length = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
    return int(length) if length.isdigit() else 0
