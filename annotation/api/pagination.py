"""Pages by cursor: stable while rows are added, and as quick on the last page as on the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.problems import Problem

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500


class Pages(CursorPagination):
    """`limit` rows a page; `next` is the address of the next page, null on the last."""

    page_size = DEFAULT_LIMIT
    max_page_size = LARGEST_LIMIT
    page_size_query_param = "limit"
    page_size_query_description = f"Rows a page, {DEFAULT_LIMIT} unless told, at most {LARGEST_LIMIT}."
    cursor_query_description = "Taken from `next` or `previous` of another page; no client makes its own."
    template = None

    def __init__(self, ordering: Sequence[str] = ("id",)) -> None:
        self.ordering = tuple(ordering)

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit", "")
        if not text:
            return DEFAULT_LIMIT
        if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= LARGEST_LIMIT):
            raise Problem(400, f"'limit' must be a whole number from 1 to {LARGEST_LIMIT}.")
        return int(text)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            return super().decode_cursor(request)
        except NotFound:
            raise _strange_cursor() from None

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError):
            # A cursor's position is a value of the column that orders the rows; this one is not.
            if "cursor" not in request.query_params:
                raise
            raise _strange_cursor() from None

    def answer(self, rows: Any) -> Response:
        return Response(
            {"next": self.get_next_link(), "previous": self.get_previous_link(), "results": list(rows)}
        )


def _strange_cursor() -> Problem:
    return Problem(400, "The cursor is not one of ours. Start again without it.")
