"""Splits the lines of a table into rows of cells. An unclosed quotation mark costs its own line only."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from models_ml.molecules.readers.source import Line

# A quoted cell may contain line breaks, such as an address. Beyond this the quotation mark is an error.
_MAX_LINES = 50
_MAX_CHARACTERS = 65_536
_INSIDE_QUOTES = re.compile(r'(?:[^"]|"")*+')


@dataclass(frozen=True, slots=True)
class CellRow:
    """The cells of one row, and the line where it begins."""

    number: int
    cells: list[str]
    unclosed: str = ""  # the text from the quotation mark that nothing closes; the cells are not usable then


def split_cells(text: str, delimiter: str) -> tuple[list[str], int | None]:
    """The cells of a text, and the position of the quotation mark that is not closed, if there is one.

    A cell is quoted if it begins with a quotation mark; two marks in it are one. In other cells quotation
    marks are ordinary characters.
    """
    if '"' not in text:
        return text.split(delimiter), None
    pattern = _cell_pattern(delimiter)
    cells: list[str] = []
    position = 0
    while True:
        match = pattern.match(text, position)
        if match is None:
            return cells, position
        quoted, tail, plain = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"') + tail)
        position = match.end() + 1
        if match.end() == len(text):
            return cells, None


def split_rows(
    lines: Iterable[Line],
    delimiter: str,
    width: int,
    holds_row: Callable[[Sequence[str]], bool],
) -> Iterator[CellRow]:
    """The rows of a table with `width` columns, without blank rows.

    A quoted cell may span lines if the row then has `width` cells, and if none of its further lines is a row
    by itself, which `holds_row` decides. Otherwise only the line with the quotation mark is unusable.
    """
    source = iter(lines)
    waiting: deque[Line] = deque()
    while line := waiting.popleft() if waiting else next(source, None):
        cells, opened = split_cells(line.text, delimiter)
        if opened is None:
            if any(cell.strip() for cell in cells):
                yield CellRow(line.number, cells)
            continue
        joined = _joined(line, opened, waiting, source, delimiter, width, holds_row)
        literal = line.text.split(delimiter)
        if joined is not None:
            yield CellRow(line.number, joined)
        elif delimiter == "\t" and len(literal) == width:
            yield CellRow(line.number, literal)  # tabs need no quotation marks, so this one is a character
        else:
            yield CellRow(line.number, cells, line.text[opened:])


def _joined(
    first: Line,
    opened: int,
    waiting: deque[Line],
    source: Iterator[Line],
    delimiter: str,
    width: int,
    holds_row: Callable[[Sequence[str]], bool],
) -> list[str] | None:
    """The cells of a row that spans lines; its lines leave `waiting`. None if no such row is possible."""
    text = first.text
    for n_lines in range(1, _MAX_LINES):
        if n_lines > len(waiting):
            line = next(source, None)
            if line is None:
                return None
            waiting.append(line)
        line = waiting[n_lines - 1]
        text = f"{text}\n{line.text}"
        if len(text) > _MAX_CHARACTERS:
            return None
        inside = _INSIDE_QUOTES.match(line.text)
        if inside is None or inside.end() == len(line.text):
            continue  # the quotation mark is still open
        closed = inside.end() + 1
        if line.text[closed : closed + 1] not in ("", delimiter):
            return None
        cells, opened_again = split_cells(text, delimiter)
        if opened_again is not None:
            continue
        continuation = (waiting[index].text for index in range(n_lines))
        if len(cells) != width or any(map(holds_row, (part.split(delimiter) for part in continuation))):
            return None
        for _ in range(n_lines):
            waiting.popleft()
        return cells
    return None


@lru_cache
def _cell_pattern(delimiter: str) -> re.Pattern[str]:
    other = re.escape(delimiter)
    return re.compile(rf'"((?:[^"]|"")*+)"([^{other}]*)|(?!")([^{other}]*)')
