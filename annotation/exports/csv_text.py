"""Small tables as CSV downloads, safe to open in a spreadsheet. Results go out by `annotation.results`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse

# OWASP, "CSV injection": a spreadsheet runs cells that begin so.
RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """A file that hands back what is written to it, so that rows stream out one by one."""

    def write(self, text: str) -> str:
        return text


def inert(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text.startswith(RUN_BY_SPREADSHEETS) else text


def csv_response(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        yield writer.writerow(columns)
        for row in rows:
            yield writer.writerow([inert(cell) for cell in row])

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8", headers=headers)
