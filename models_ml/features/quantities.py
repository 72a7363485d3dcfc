"""Reads the quantification table that mzmine and MS-DIAL-like exports write beside an MGF. Values stay text.

Columns are found by their header names. The row ID is the FEATURE_ID of the MGF.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from models_ml.features.group import FeatureGroup

_LABELS = ("row id", "feature_id", "feature id", "id", "alignment id", "cluster index")
_REQUIRED_BESIDES = ("row m/z", "mz", "m/z", "average mz", "precursor mass", "parent mass")
_SEPARATORS = (",", "\t", ";")
_MAX_COLUMNS = 5_000
_MAX_CELL = 1_000
_MAX_ROWS = 1_000_000
_HEADER_REMEDY = (
    'Export the table again with the columns "row ID" and "row m/z", as mzmine does for FBMN and SIRIUS.'
)


class BadQuantities(ValueError):
    """A quantification table cannot be used. The message says where, why, and how to fix it."""


def is_quantities(first_line: str) -> bool:
    """Whether a line is the header of a quantification table: an ID and an m/z, by name."""
    return _find(_read_header(first_line)[1]) is not None


def read_quantities(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """The columns of each row, by its label. Empty cells and columns without a name are left out.

    Raises BadQuantities for a table without the required columns, a row with another number of cells, a row
    without a label, or a repeated label.
    """
    iterator = iter(lines)
    first = next(iterator, "")
    separator, header = _read_header(first)
    label_column = _find(header)
    if label_column is None:
        named = ", ".join(name[:30] for name in header[:6])
        raise BadQuantities(f"Line 1 names no ID and no m/z column (it has: {named}). {_HEADER_REMEDY}")
    _check_header(header)
    table: dict[str, dict[str, str]] = {}
    for number, cells in _rows(iterator, separator, len(header)):
        label = cells[label_column].strip()
        if not label:
            raise BadQuantities(f"Line {number} has no {header[label_column]}. Add it, or remove the line.")
        if label in table:
            raise BadQuantities(
                f"Line {number} repeats the {header[label_column]} {label[:60]}. Keep one line per feature."
            )
        if len(table) >= _MAX_ROWS:
            raise BadQuantities(f"The table has more than {_MAX_ROWS:,} rows. Split it, with its MGF file.")
        table[label] = {
            name: value.strip()
            for column, (name, value) in enumerate(zip(header, cells, strict=True))
            if name and value.strip() and column != label_column
        }
    return table


def attach_quantities(
    groups: Sequence[FeatureGroup], table: Mapping[str, Mapping[str, str]]
) -> tuple[list[FeatureGroup], int]:
    """The features with the columns of their label, and the number of rows that no feature has."""
    used = {group.label for group in groups if group.label in table}
    attached = [
        replace(group, quantities=table[group.label]) if group.label in table else group for group in groups
    ]
    return attached, len(table) - len(used)


def _read_header(line: str) -> tuple[str, list[str]]:
    """The separator and the names. The separator is the one with which the required columns are found."""
    text = line.lstrip("\ufeff").rstrip("\r\n")
    found = (",", [text])
    for separator in _SEPARATORS:
        try:
            cells = [cell.strip() for cell in next(csv.reader([text], delimiter=separator), [])]
        except csv.Error:
            continue
        if _find(cells) is not None:
            return separator, cells
        if len(cells) > len(found[1]):
            found = (separator, cells)
    return found


def _find(header: list[str]) -> int | None:
    """Column of the label, if there is an m/z column too."""
    names = [name.lower() for name in header]
    if not any(name in names for name in _REQUIRED_BESIDES):
        return None
    return next((names.index(name) for name in _LABELS if name in names), None)


def _check_header(header: list[str]) -> None:
    if len(header) > _MAX_COLUMNS:
        raise BadQuantities(f"Line 1 has more than {_MAX_COLUMNS:,} columns. Export fewer samples at once.")
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        repeated = Counter(named).most_common(1)[0][0]
        raise BadQuantities(f"Line 1 repeats the column {repeated[:60]!r}. Give each column its own name.")


def _rows(lines: Iterator[str], separator: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells. mzmine ends each line with a separator, so an empty last cell may be missing."""
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        try:
            cells = next(csv.reader([line.rstrip("\r\n")], delimiter=separator, strict=True))
        except csv.Error as error:
            raise BadQuantities(f"Line {number} cannot be read ({error}). Export the table again.") from None
        if len(cells) == width + 1 and not cells[-1].strip():
            cells.pop()
        if len(cells) == width - 1:
            cells.append("")
        if len(cells) != width:
            raise BadQuantities(
                f"Line {number} has {len(cells)} cells, but the header has {width}. Export the table again."
            )
        if any(len(cell) > _MAX_CELL for cell in cells):
            raise BadQuantities(
                f"Line {number} has a cell of more than {_MAX_CELL:,} characters. Shorten it."
            )
        yield number, cells
