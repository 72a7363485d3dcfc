"""Request bodies, with their size checked before they are read."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from annotation.api.problems import Problem

# Empty lists cost the most time and memory for each byte: two million take a quarter of a second.
MOST_CONTAINERS = 2_000_000


class BoundedJSON(JSONParser):
    """JSON of at most GLMR_MAX_JSON_BYTES, without NaN and Infinity."""

    strict = True

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        length = _content_length((parser_context or {}).get("request"))
        limit = settings.GLMR_MAX_JSON_BYTES
        if length > limit:
            raise Problem(
                413,
                f"The JSON has {length:,} bytes; the limit is {limit:,}. Send the spectra in several jobs, "
                "or as a file (multipart/form-data).",
            )
        content = stream.read()
        if content.count(b"[") + content.count(b"{") > MOST_CONTAINERS:
            most = f"{MOST_CONTAINERS:,} lists and objects"
            raise Problem(413, f"The JSON has more than {most}. Send the spectra in several jobs.")
        try:
            return super().parse(BytesIO(content), media_type, parser_context)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


def _content_length(request: Request | None) -> int:
    """Bytes of the body according to its header. The server reads no more than that."""
    length = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
    return int(length) if length.isdigit() else 0
