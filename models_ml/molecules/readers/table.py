"""Tables separated by commas, tabs, semicolons or bars. Finds columns by heading, else by content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from models_ml.molecules.readers.cells import CellRow, split_cells, split_rows
from models_ml.molecules.readers.columns import (
    Columns,
    columns_without_heading,
    find_columns,
    is_heading,
    is_spreadsheet_error,
    names_structures,
    resembles_structure,
    structure_columns,
)
from models_ml.molecules.readers.rows import ImportNote, StructureFormat, StructureIssue, StructureRow
from models_ml.molecules.readers.source import Line

_DELIMITERS = ("\t", ",", ";", "|")
_SAMPLED_ROWS = 50
_SEPARATOR_LINE = re.compile(r'"?sep=.{0,2}"?\s*\Z', re.IGNORECASE)
# "CCO |$R1$| name": these bars, and a tab before them, separate no columns.
_CX_LINE = {"|": re.compile(r"\S+\s+\|[^\s|]"), "\t": re.compile(r"\S+\t\s*\|[^\s|]")}
_MAX_QUOTED = 40
_MAX_TITLE_LINES = 10
_NULLS = frozenset({"n/a", "na", "nan", "null", "none", "-", "?"})
# Spreadsheets change identifiers and names to dates and rounded numbers: "1-Dec", "01.05.2024", "1.23E+05".
_CHANGED_CELL = re.compile(
    r"\d{1,2}-[A-Z][a-z]{2}|[A-Z][a-z]{2}-\d{2}|\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d|\d[.,]\d+E\+\d\d"
)
_CHANGED = ImportNote(
    "spreadsheet_cell",
    "The identifier or name has the form that a spreadsheet gives to dates or long numbers.",
)


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Delimiter, first row and columns of a table."""

    delimiter: str
    first_row: tuple[str, ...]
    columns: Columns
    has_heading: bool
    title: tuple[str, ...] = ()  # lines above the heading, which are left out

    @property
    def width(self) -> int:
        return len(self.first_row)


def find_named_layout(lines: Sequence[str]) -> TableLayout | None:
    """Layout of a table whose heading names a column of structures; None if there is none."""
    lines = [line for line in lines if line.strip() and not is_comment(line)]
    layouts: list[TableLayout] = []
    for delimiter in _DELIMITERS if lines else ():
        header = _split(lines[0], delimiter)
        if is_heading(header):
            layouts.append(TableLayout(delimiter, tuple(header), find_columns(header), has_heading=True))
    return max(layouts, key=lambda layout: (names_structures(layout.first_row), layout.width), default=None)


def find_titled_layout(lines: Sequence[str]) -> TableLayout | None:
    """Layout of a table with a heading of structures below some lines of text, such as a title and a date.

    None if there is none. The first line of a table without a title is for `find_named_layout`.
    """
    lines = [line for line in lines if line.strip() and not is_comment(line)]
    for n_title in range(1, min(_MAX_TITLE_LINES, len(lines) - 1) + 1):
        layout = find_named_layout(lines[n_title:])
        if layout is None or layout.width < 2 or not names_structures(layout.first_row):
            continue
        above = [_split(line, layout.delimiter) for line in lines[:n_title]]
        if any(_resembles_row(cells, layout.columns) for cells in above if len(cells) == layout.width):
            return None  # rows above a second heading
        title = tuple(line.strip(f"{layout.delimiter} \r\n") for line in lines[:n_title])
        return replace(layout, title=title)
    return None


def find_layout_by_content(lines: Sequence[str]) -> TableLayout | None:
    """Layout of a table whose columns only content explains; None if the lines are not a table.

    A layout without a structure column is returned as well, so that the error can list the columns.
    """
    lines = [line for line in lines if line.strip() and not is_comment(line)][: _SAMPLED_ROWS + 1]
    widest: TableLayout | None = None
    for delimiter in _DELIMITERS:
        extension = _CX_LINE.get(delimiter)
        if not lines or (extension and any(map(extension.match, lines))):
            continue
        rows = [_split(line, delimiter) for line in lines]
        if len(rows[0]) < 2 or not _is_regular(rows):
            continue
        layout = _layout_by_content(rows, delimiter)
        if layout.columns.has_structure:
            return layout
        if widest is None or layout.width > widest.width:
            widest = layout
    return widest


def is_comment(line: str) -> bool:
    """Whether a line is a comment, not the heading "#SMILES" or "#,SMILES", nor a cell with an error.

    "sep=;" names the delimiter to a spreadsheet; it is found without it.
    """
    if is_spreadsheet_error(line):
        return False
    if _SEPARATOR_LINE.match(line):
        return True
    return line.startswith("#") and not any(is_heading(_split(line, other)) for other in _DELIMITERS)


def read_table(lines: Iterable[Line], layout: TableLayout) -> Iterator[StructureRow | StructureIssue]:
    """One row or issue for each data row. Quoted cells can hold delimiters, and short ones line breaks."""
    data = _without_leading_comments(lines)
    if layout.has_heading:
        data = _after_heading(data, len(layout.title))
    notes: tuple[ImportNote, ...] = () if layout.has_heading else (_no_heading_note(layout),)
    if layout.title:
        notes += (_title_note(layout),)
    if layout.columns.unused and layout.columns.smiles is not None:
        notes += (_several_columns_note(layout),)
    rows = split_rows(data, layout.delimiter, layout.width, lambda cells: _holds_row(cells, layout))
    for row_number, row in enumerate(rows, start=1):
        yield _row(row_number, row, layout, notes if row_number == 1 else ())


def _layout_by_content(rows: list[list[str]], delimiter: str) -> TableLayout:
    first, *rest = rows
    columns = structure_columns(rest or rows)
    if not columns.has_structure:
        columns = structure_columns(rows, min_atoms=1)
        if not columns.has_structure or not _resembles_row(first, columns):
            return TableLayout(delimiter, tuple(first), find_columns(first), has_heading=True)
    if _resembles_row(first, columns):
        return TableLayout(delimiter, tuple(first), columns_without_heading(rows, columns), has_heading=False)
    named = find_columns(first)
    columns = Columns(columns.smiles, columns.inchi, named.source_id, named.name)
    return TableLayout(delimiter, tuple(first), columns, has_heading=True)


def _resembles_row(cells: Sequence[str], columns: Columns) -> bool:
    text = _cell(cells, columns.smiles) or _cell(cells, columns.inchi)
    return resembles_structure(text) or is_spreadsheet_error(text)


def _holds_row(cells: Sequence[str], layout: TableLayout) -> bool:
    """Whether a line is a row by itself: the right number of cells with a structure in its column."""
    return len(cells) == layout.width and _resembles_row(cells, layout.columns)


def _after_heading(lines: Iterable[Line], n_title: int) -> Iterator[Line]:
    """The lines below the heading, above which are `n_title` lines that are not blank."""
    data = iter(lines)
    for _ in range(n_title + 1):
        next((line for line in data if line.text.strip()), None)
    return data


def _without_leading_comments(lines: Iterable[Line]) -> Iterator[Line]:
    started = False
    for line in lines:
        started = started or bool(line.text.strip() and not is_comment(line.text))
        if started:
            yield line


def _no_heading_note(layout: TableLayout) -> ImportNote:
    roles = (
        ("SMILES", layout.columns.smiles),
        ("InChI", layout.columns.inchi),
        ("identifiers", layout.columns.source_id),
        ("names", layout.columns.name),
    )
    used = ", ".join(f"column {index + 1} as {role}" for role, index in roles if index is not None)
    return ImportNote(
        "no_heading",
        f"The table has no heading. By their content, the import took {used}. "
        "If this is wrong, add a heading such as SMILES, ID, Name.",
    )


def _title_note(layout: TableLayout) -> ImportNote:
    lines = ", ".join(repr(_shortened(line)) for line in layout.title)
    return ImportNote("title_lines", f"The table has text above its heading, which was left out: {lines}.")


def _several_columns_note(layout: TableLayout) -> ImportNote:
    names = [layout.first_row[index] for index in (layout.columns.smiles or 0, *layout.columns.unused)]
    return ImportNote(
        "several_structure_columns",
        f"Several columns hold structures; the import took {names[0]!r}, not "
        f"{', '.join(map(repr, names[1:]))}. "
        'To take another one, name it "SMILES".',
    )


def _row(
    row_number: int, row: CellRow, layout: TableLayout, notes: tuple[ImportNote, ...]
) -> StructureRow | StructureIssue:
    position, columns = f"line {row.number:,}", layout.columns
    cells = _with_whole_extension(row.cells, layout)
    source_id = _cell(cells, columns.source_id)

    def issue(code: str, reason: str, remedy: str, source_id: str = source_id) -> StructureIssue:
        return StructureIssue(row_number, position, code, reason, remedy, source_id, notes)

    if row.unclosed:
        return issue(
            "bad_row",
            f"The quotation mark in {_shortened(row.unclosed)!r} is not closed, so its cells are unknown.",
            "Close the quotation mark, or double it if it is part of the text.",
        )
    if any(cell.strip() for cell in cells[layout.width :]):
        return issue(
            "too_many_cells",
            f"The row has {len(cells)} cells; the {'heading' if layout.has_heading else 'first row'} has "
            f"{layout.width}.",
            "Put cells that contain the delimiter, such as an InChI with commas, in quotation marks.",
            source_id if columns.source_id == 0 else "",
        )
    smiles, inchi = _cell(cells, columns.smiles), _cell(cells, columns.inchi)
    others = [text for index in columns.other_smiles if (text := _cell(cells, index)) and text != smiles]
    if not smiles and others:
        smiles = others.pop(0)
    name = _cell(cells, columns.name)
    if _CHANGED_CELL.fullmatch(source_id) or _CHANGED_CELL.fullmatch(name):
        notes += (_CHANGED,)
    if not smiles and not inchi:
        return issue("empty", "The row has no structure.", "Fill in the cell or remove the row.")
    structure = smiles or inchi
    shape: StructureFormat = "inchi" if not smiles or structure.startswith("InChI=") else "smiles"
    return StructureRow(
        row_number,
        position,
        structure,
        shape,
        "" if source_id.lower() in _NULLS else source_id,
        "" if name.lower() in _NULLS else name,
        (inchi or next(iter(others), "")) if smiles else "",
        _cell(cells, columns.inchikey),
        _cell(cells, columns.formula),
        _cell(cells, columns.exact_mass),
        notes,
    )


def _with_whole_extension(cells: list[str], layout: TableLayout) -> list[str]:
    """The cells with an unquoted ChemAxon extension, such as "CC |c:1,2|", in one piece."""
    first = layout.columns.smiles
    if first is None or first >= len(cells) or layout.delimiter == "|" or cells[first].count("|") % 2 == 0:
        return cells
    for last in range(first + 1, len(cells)):
        if cells[last].count("|") % 2:
            whole = layout.delimiter.join(cells[first : last + 1])
            return [*cells[:first], whole, *cells[last + 1 :]]
    return cells


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"


def _cell(cells: Sequence[str], index: int | None) -> str:
    return cells[index].strip() if index is not None and index < len(cells) else ""


def _split(line: str, delimiter: str) -> list[str]:
    cells, opened = split_cells(line, delimiter)
    return [cell.strip() for cell in (cells if opened is None else line.split(delimiter))]


def _is_regular(rows: Sequence[Sequence[str]]) -> bool:
    """Whether at least half of the rows below the first have as many cells as it. Those of prose have not."""
    widths = Counter(len(row) for row in rows[1:])
    return not widths or widths[len(rows[0])] >= 0.5 * widths.total()
