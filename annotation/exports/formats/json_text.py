"""JSON and NDJSON: each feature with its candidates as objects, numbers in full precision."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from annotation.exports.columns import CANDIDATE_COLUMNS, JOB_COLUMNS, SPECTRUM_COLUMNS
from annotation.exports.contents import Contents
from annotation.exports.ties import n_tied
from annotation.results.view import ResultView


def write_json(contents: Contents, path: Path) -> int:
    """One object: `export` with the provenance, then `features`."""
    n_rows = 0
    with path.open("w", encoding="utf-8") as stream:
        about = contents.facts() | {"params": contents.job.params}
        stream.write(f'{{"export": {_text(about)},\n"features": [')
        for number, (feature, n) in enumerate(_features(contents)):
            stream.write(",\n" if number else "\n")
            stream.write(_text(feature))
            n_rows += n
        stream.write("\n]}\n")
    return n_rows


def write_ndjson(contents: Contents, path: Path) -> int:
    """One line for each feature. Each line is complete: it has its provenance and the ID of the snapshot."""
    shared = {column.name: column.cell(contents.job_view()) for column in JOB_COLUMNS}
    shared |= {"snapshot_id": contents.snapshot.id, "snapshot_at": contents.snapshot.taken_at}
    n_rows = 0
    with path.open("w", encoding="utf-8") as stream:
        for feature, n in _features(contents):
            stream.write(_text(feature | shared) + "\n")
            n_rows += n
    return n_rows


def _features(contents: Contents) -> Iterator[tuple[dict[str, Any], int]]:
    """Each feature, and the rows that it has in the table."""
    for result in contents.results():
        feature = _feature(result)
        yield feature, max(1, len(feature["candidates"]))


def _feature(result: ResultView) -> dict[str, Any]:
    annotation = result.annotation
    candidates = annotation.candidates if annotation else ()
    return {
        **{column.name: column.cell(result) for column in SPECTRUM_COLUMNS},
        "margin": annotation.margin if annotation else None,
        "candidates": [
            {column.name: column.cell(candidate) for column in CANDIDATE_COLUMNS}
            | {"n_tied": n_tied(candidate, candidates)}
            for candidate in candidates
        ],
    }


def _text(value: object) -> str:
    return json.dumps(value, default=_as_text, ensure_ascii=False)


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
