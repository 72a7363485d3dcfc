"""CSV and TSV: the table, one row for each feature and candidate."""

from __future__ import annotations

import csv
from pathlib import Path

from annotation.exports.contents import EXPORT_COLUMNS, Contents
from annotation.exports.csv_text import csv_cell


def write_csv(contents: Contents, path: Path) -> int:
    return _write(contents, path, ",")


def write_tsv(contents: Contents, path: Path) -> int:
    """A tab or a line break within a cell becomes a space: many readers of TSV know no quotes."""
    return _write(contents, path, "\t")


def _write(contents: Contents, path: Path, delimiter: str) -> int:
    n_rows = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(EXPORT_COLUMNS)
        for row in contents.rows():
            cells = [csv_cell(row[name]) for name in EXPORT_COLUMNS]
            n_rows += 1
            writer.writerow([" ".join(cell.split()) for cell in cells] if delimiter == "\t" else cells)
    return n_rows
