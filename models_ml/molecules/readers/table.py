"""Tables with a heading, separated by commas, tabs, semicolons or bars. Finds columns by name or content."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from models_ml.molecules.readers.columns import Columns, find_columns
from models_ml.molecules.readers.rows import StructureFormat, StructureIssue, StructureRow
from models_ml.molecules.readers.source import Line
from models_ml.molecules.structure_text import UnusableStructure, parse_structure

_DELIMITERS = ("\t", ",", ";", "|")
_SAMPLED_ROWS = 50
_MIN_SHARE_READABLE = 0.8  # of the sampled cells, for a column of structures without a known name


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Delimiter, heading and columns of a table."""

    delimiter: str
    header: tuple[str, ...]
    columns: Columns


def find_layout(head_lines: Sequence[str]) -> TableLayout | None:
    """Layout of a table from its first lines; None if they are not a table with a heading.

    A layout without a structure column is returned as well, so that the error can list the columns.
    """
    lines = [line for line in head_lines if line.strip()]
    if not lines:
        return None
    layouts = [_layout(lines, delimiter) for delimiter in _DELIMITERS]
    by_name = [layout for layout in layouts if layout.columns.has_structure]
    if by_name:
        return max(by_name, key=lambda layout: len(layout.header))
    several = [layout for layout in layouts if len(layout.header) > 1 and _is_regular(lines, layout)]
    if not several:
        return None
    widest = max(several, key=lambda layout: len(layout.header))
    return replace(widest, columns=_columns_by_content(lines, widest))


def read_table(lines: Iterable[Line], layout: TableLayout) -> Iterator[StructureRow | StructureIssue]:
    """One row or issue for each data row below the heading. Quoted cells can hold delimiters."""
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=layout.delimiter)
    header_seen = False
    row_number = 0
    while True:
        first_line = source.last_number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            row_number += 1
            yield StructureIssue(
                row_number,
                f"line {first_line:,}",
                "bad_row",
                f"The row cannot be split into cells ({error}).",
                "Close each quotation mark, or remove all of them.",
            )
            continue
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if not header_seen:
            header_seen = True
            continue
        row_number += 1
        yield _row(row_number, f"line {first_line:,}", cells, layout)


class _Lines(Iterator[str]):
    """Lines for the csv reader, with the number of the last line: a quoted row can span several lines."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self.last_number = 0

    def __next__(self) -> str:
        line = next(self._lines)
        self.last_number = line.number
        return line.text + "\n"


def _row(
    row_number: int, position: str, cells: Sequence[str], layout: TableLayout
) -> StructureRow | StructureIssue:
    width = len(layout.header)
    columns = layout.columns
    source_id = _cell(cells, columns.source_id)
    if any(cell.strip() for cell in cells[width:]):
        return StructureIssue(
            row_number,
            position,
            "too_many_cells",
            f"The row has {len(cells)} cells; the heading has {width}.",
            "Put cells that contain the delimiter, such as an InChI with commas, in quotation marks.",
            source_id if columns.source_id == 0 else "",
        )
    structure, kind = _cell(cells, columns.smiles), "smiles"
    if not structure:
        structure, kind = _cell(cells, columns.inchi), "inchi"
    if not structure:
        return StructureIssue(
            row_number,
            position,
            "empty",
            "The row has no structure.",
            "Fill in the cell or remove the row.",
            source_id,
        )
    shape: StructureFormat = "inchi" if kind == "inchi" or structure.startswith("InChI=") else "smiles"
    return StructureRow(row_number, position, structure, shape, source_id, _cell(cells, columns.name))


def _cell(cells: Sequence[str], index: int | None) -> str:
    return cells[index].strip() if index is not None and index < len(cells) else ""


def _layout(lines: Sequence[str], delimiter: str) -> TableLayout:
    header = tuple(cell.strip() for cell in _split(lines[0], delimiter))
    return TableLayout(delimiter, header, find_columns(header))


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _is_regular(lines: Sequence[str], layout: TableLayout) -> bool:
    """Whether at least half of the sampled rows have as many cells as the heading. Prose does not."""
    widths = Counter(len(_split(line, layout.delimiter)) for line in lines[1 : _SAMPLED_ROWS + 1])
    return bool(widths) and widths[len(layout.header)] >= 0.5 * widths.total()


def _columns_by_content(lines: Sequence[str], layout: TableLayout) -> Columns:
    """The first column in which most cells are structures, for tables with unknown column names."""
    rows = [_split(line, layout.delimiter) for line in lines[1 : _SAMPLED_ROWS + 1]]
    for index in range(len(layout.header)):
        cells = [cell for row in rows if (cell := _cell(row, index))]
        readable = [size for cell in cells if (size := _heavy_atoms(cell))]
        # Short names such as "CO" or "Sn" are valid SMILES too, so at least one structure must be larger.
        if len(readable) >= max(1, _MIN_SHARE_READABLE * len(cells)) and max(readable) > 4:
            return replace(layout.columns, smiles=index)
    return layout.columns


def _heavy_atoms(text: str) -> int:
    try:
        return int(parse_structure(text).GetNumHeavyAtoms())
    except UnusableStructure:
        return 0
