"""Excel: a sheet with the table and a sheet with its provenance. Rows go to disk as they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xlsxwriter

from annotation.exports.contents import EXPORT_COLUMNS, CannotBuild, Contents
from annotation.exports.csv_text import plain_cell

MAX_ROWS = 1_048_575  # of a sheet, without the header
MAX_CHARACTERS = 32_767  # of a cell
CUT = " [cut]"
# No text becomes a formula or a link, whatever it looks like. Excel has no NaN.
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": True,
}


def write_xlsx(contents: Contents, path: Path) -> int:
    """Raises CannotBuild if a sheet has too few rows."""
    n_rows = n_cut = 0
    with xlsxwriter.Workbook(str(path), OPTIONS | {"tmpdir": str(path.parent)}) as book:
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("Results")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(EXPORT_COLUMNS) - 1, 16)
        sheet.write_row(0, 0, EXPORT_COLUMNS, bold)
        for n_rows, row in enumerate(contents.rows(), 1):
            if n_rows > MAX_ROWS:
                raise CannotBuild(
                    f"A sheet holds {MAX_ROWS:,} rows and the export has more. Choose fewer candidates or a "
                    "narrower filter, or export as CSV."
                )
            for column, name in enumerate(EXPORT_COLUMNS):
                n_cut += _write_cell(sheet, n_rows, column, row[name])
        sheet.autofilter(0, 0, n_rows, len(EXPORT_COLUMNS) - 1)
        _write_about(book.add_worksheet("About"), contents, n_cut, bold)
    return n_rows


def _write_cell(sheet: Any, row: int, column: int, value: object) -> bool:
    """Numbers stay numbers, everything else is text. True if the text was too long for a cell."""
    if value is None:
        return False
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value)
    elif text := plain_cell(value):
        if len(text) > MAX_CHARACTERS:
            sheet.write_string(row, column, text[: MAX_CHARACTERS - len(CUT)] + CUT)
            return True
        sheet.write_string(row, column, text)
    return False


def _write_about(sheet: Any, contents: Contents, n_cut: int, bold: Any) -> None:
    facts: dict[str, object] = {**contents.facts(), "cells_cut": n_cut}
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 80)
    for row, (name, value) in enumerate(facts.items()):
        sheet.write_string(row, 0, name, bold)
        _write_cell(sheet, row, 1, value)
