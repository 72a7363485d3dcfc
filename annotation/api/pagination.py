"""Pages by cursor: stable while rows are added, and as fast on the last page as on the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.problems import Problem, invalid_field

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500


class Pages(CursorPagination):
    """`limit` rows per page. `next` is the address of the next page, null on the last."""

    page_size = DEFAULT_LIMIT
    max_page_size = LARGEST_LIMIT
    page_size_query_param = "limit"
    template = None

    def __init__(self, ordering: Sequence[str] = ("id",)) -> None:
        self.ordering = tuple(ordering)

    def get_page_size(self, request: Request) -> int:
        return requested_limit(request)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            return super().decode_cursor(request)
        except NotFound:
            raise invalid_cursor() from None

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError):
            # A cursor holds a value of the column that orders the rows. This one does not.
            if "cursor" not in request.query_params:
                raise
            raise invalid_cursor() from None

    def rows(self, queryset: Any, request: Request) -> list[Any]:
        """The rows of the requested page."""
        return self.paginate_queryset(queryset, request) or []

    def answer(self, rows: Any) -> Response:
        """The page with these serialized rows."""
        return Response(
            {"next": self.get_next_link(), "previous": self.get_previous_link(), "results": list(rows)}
        )


def requested_limit(request: Request) -> int:
    text = request.query_params.get("limit", "")
    if not text:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= LARGEST_LIMIT):
        raise invalid_field("limit", f"Must be a whole number from 1 to {LARGEST_LIMIT}.")
    return int(text)


def invalid_cursor() -> Problem:
    return invalid_field("cursor", "The cursor is invalid. Start again without `cursor`.")
