"""CSV as text: the only place that turns a value into a cell, safe to open in a spreadsheet program."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.http import StreamingHttpResponse

# Spreadsheet programs run a cell that begins with one of these characters. A quote in front of it makes the
# cell text (OWASP, "CSV injection").
FORMULA = re.compile(r"^[=+\-@\t\r\n]")
CHUNK_CHARACTERS = 64 * 1024


def csv_cell(value: object) -> str:
    """The text of a cell as `plain_cell`, and never a formula."""
    text = plain_cell(value)
    is_number = isinstance(value, int | float)
    return f"'{text}" if FORMULA.match(text) and not is_number else text


def plain_cell(value: object) -> str:
    """A value as text: empty for None, ISO 8601 for times, JSON for a dict.

    Only for formats that no spreadsheet program opens, or that mark a cell as text.
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case datetime():
            return value.isoformat(timespec="seconds")
        case tuple():
            return " ".join(value)
        case dict():
            return json.dumps(value, sort_keys=True) if value else ""
        case _:
            return str(value)


def csv_lines(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A table as CSV (RFC 4180), header first, in chunks of many lines."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([csv_cell(value) for value in row])
        if buffer.tell() > CHUNK_CHARACTERS:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def csv_response(
    name: str, columns: Sequence[str], rows: Iterable[Iterable[object]]
) -> StreamingHttpResponse:
    """A table as a download."""
    return csv_attachment(name, csv_lines(columns, rows))


def csv_attachment(name: str, lines: Iterable[str]) -> StreamingHttpResponse:
    """A download in UTF-8 without a byte order mark. `name` must be plain ASCII without quotes."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
