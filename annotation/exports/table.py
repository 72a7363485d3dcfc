"""The results of a job as CSV and JSON. Each row is complete with its provenance.

A spectrum without candidates has a row too, with the reason, so that the table counts what the screen counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from django.db.models import Q
from django.http import StreamingHttpResponse

from annotation.exports.columns import (
    CANDIDATE_COLUMNS,
    COLUMNS,
    JOB_COLUMNS,
    SPECTRUM_COLUMNS,
    Cell,
    ExportColumn,
)
from annotation.exports.csv_text import csv_attachment, csv_lines
from annotation.jobs.models import Job
from annotation.results.load import items_with_results
from annotation.results.view import JobView, ResultView
from annotation.results.view_fields import from_row
from annotation.review.reviewed_results import reviewed_results
from annotation.tables.filter_form import EVERYTHING, ResultFilter
from annotation.tables.matching import condition

# Spectra for each round of five queries: enough that queries cost little, few enough that memory stays flat.
SPECTRA_PER_ROUND = 500


def results(job: Job, *, top: int = 1, chosen: ResultFilter = EVERYTHING) -> Iterator[ResultView]:
    """The features that the filter matches, in the order of submission.

    Five queries for every 500 of them; memory does not grow with the job. Raises InvalidFilter before the
    first row.
    """
    return _results(job, top, condition(chosen, job))


def _results(job: Job, top: int, matching: Q) -> Iterator[ResultView]:
    position = -1
    while True:
        rows = items_with_results(job).filter(matching, position__gt=position).order_by("position")
        items = list(rows[:SPECTRA_PER_ROUND])
        yield from reviewed_results(job, items, top=top)
        if len(items) < SPECTRA_PER_ROUND:
            return
        position = items[-1].position


def rows(job: Job, *, top: int = 1, chosen: ResultFilter = EVERYTHING) -> Iterator[dict[str, Cell]]:
    """The rows of the table by column name: one for each candidate, in the order of the ranks."""
    return (row for result in results(job, top=top, chosen=chosen) for row in result_cells(result))


def stream_csv(job: Job, *, top: int = 1, chosen: ResultFilter = EVERYTHING) -> Iterator[str]:
    """The table as CSV text, header first, in chunks of many lines. Raises InvalidFilter at once."""
    return csv_lines(COLUMNS, map(_in_order, rows(job, top=top, chosen=chosen)))


def csv_download(job: Job, *, top: int = 1, chosen: ResultFilter = EVERYTHING) -> StreamingHttpResponse:
    """The table as a download, the same for the web pages and REST. Raises InvalidFilter."""
    return csv_attachment(csv_name(job), stream_csv(job, top=top, chosen=chosen))


def csv_name(job: Job) -> str:
    return f"{file_stem(job)}.csv"


def file_stem(job: Job) -> str:
    """A file name without its ending, which identifies the job and is valid on any file system."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", job.name).strip("-.")[:60]
    return f"{words or 'job'}-{job.public_id.hex[:8]}"


def write_csv(job: Job, path: Path, *, top: int = 1) -> int:
    """Write the table to a file and return the number of spectra. An interrupted export leaves no file."""
    n_spectra = 0

    def table() -> Iterator[list[Cell]]:
        nonlocal n_spectra
        for result in results(job, top=top):
            n_spectra += 1
            yield from map(_in_order, result_cells(result))

    with _complete_or_absent(path) as stream:
        stream.writelines(csv_lines(COLUMNS, table()))
    return n_spectra


def write_json(job: Job, path: Path, *, top: int = 1) -> int:
    """The same as JSON: each spectrum with its candidates, then the job once. Memory does not grow."""
    n_spectra = 0
    with _complete_or_absent(path) as stream:
        stream.write('{"spectra": [')
        for n_spectra, result in enumerate(results(job, top=top), 1):
            candidates = result.annotation.candidates if result.annotation else ()
            spectrum = {
                **_cells(result, SPECTRUM_COLUMNS),
                "candidates": [_cells(candidate, CANDIDATE_COLUMNS) for candidate in candidates],
            }
            stream.write("\n" if n_spectra == 1 else ",\n")
            json.dump(spectrum, stream, default=_as_text)
        about = {
            **_cells(from_row(JobView, job), JOB_COLUMNS),
            "name": job.name,
            "params": job.params,
            "submitted_at": job.created_at,
        }
        stream.write(f'\n], "job": {json.dumps(about, default=_as_text)}}}\n')
    return n_spectra


def result_cells(result: ResultView) -> Iterator[dict[str, Cell]]:
    """The rows of one feature by column name: one for each candidate, or one without."""
    shared = _cells(result, SPECTRUM_COLUMNS) | _cells(result.job, JOB_COLUMNS)
    candidates = result.annotation.candidates if result.annotation else ()
    for candidate in candidates or (None,):
        yield shared | _cells(candidate, CANDIDATE_COLUMNS)


def _cells(view: object, columns: Iterable[ExportColumn]) -> dict[str, Cell]:
    return {column.name: column.cell(view) for column in columns}


def _in_order(row: dict[str, Cell]) -> list[Cell]:
    return [row[name] for name in COLUMNS]


@contextmanager
def _complete_or_absent(path: Path) -> Iterator[TextIO]:
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
