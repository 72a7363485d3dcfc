"""Reads a structure file of any supported format. Detects the format by content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from models_ml.molecules.readers.rows import (
    DEFAULT_FILE_LIMITS,
    StructureFileLimits,
    StructureIssue,
    StructureRow,
)
from models_ml.molecules.readers.sdf import read_sdf
from models_ml.molecules.readers.smiles_file import read_smiles_file, split_smiles_line
from models_ml.molecules.readers.source import read_head, read_lines
from models_ml.molecules.readers.table import (
    TableLayout,
    find_layout_by_content,
    find_named_layout,
    find_titled_layout,
    read_table,
)
from models_ml.molecules.structure_text import UnusableStructure, parse_structure
from models_ml.unreadable import UnreadableFile

_SAMPLED_LINES = 20
_EXPORT = "Export the structures as SDF, CSV or SMILES."
_FOREIGN_TEXT = (
    (re.compile(r"\$RXN|\$RDFILE"), "a file of reactions", "Export the molecules as SDF."),
    (re.compile(r"\{|\[\s*(?:\{|\"|$)"), "a JSON document", _EXPORT),
    (re.compile(r"<[?!A-Za-z]"), "an XML document or a web page", _EXPORT),
    (re.compile(r"(?:#.*\n)*@<TRIPOS>"), "a mol2 file", _EXPORT),
    (re.compile(r"(?:HEADER|HETATM|COMPND) "), "a PDB file", _EXPORT),
)
_SPECTRUM_MARKS = ("BEGIN IONS", "<mzML", "<indexedmzML", "<mzXML", "ACCESSION:", "NUM PEAKS")


def read_structures(
    path: Path, *, limits: StructureFileLimits = DEFAULT_FILE_LIMITS
) -> Iterator[StructureRow | StructureIssue]:
    """Rows of a SMILES file, a table or an SD file, in file order, one at a time.

    Raises UnreadableFile if nothing can be read, or after some rows if the file is cut off. Uploaded files
    are not trusted: servers read them in a child process, see `standardised_rows`.
    """
    head, is_whole = read_head(path)
    _refuse_foreign(head, path.name)
    lines = read_lines(path, limits)
    rows: Iterator[StructureRow | StructureIssue]
    if _is_sdf(head):
        rows = read_sdf(lines, limits)
    else:
        complete = head if is_whole or len(head) == 1 else head[:-1]  # the head can end inside a line
        layout = _layout(complete, path.name)
        rows = read_smiles_file(lines) if layout is None else read_table(lines, layout)
    first = next(rows, None)
    if first is None:
        raise UnreadableFile(
            "The file has no structures, only a heading or comments", path.name, "Add at least one row."
        )
    yield first
    yield from rows


def _refuse_foreign(head: list[str], name: str) -> None:
    """Refuse known kinds of text that are no list of structures, with what they are."""
    beginning = "\n".join(head[:5]).lstrip()
    for pattern, what, remedy in _FOREIGN_TEXT:
        if pattern.match(beginning):
            raise UnreadableFile(f"The file is {what}", name, remedy)


def _is_sdf(head: list[str]) -> bool:
    lines = [line.rstrip() for line in head]
    return "$$$$" in lines or "M  END" in lines or (len(lines) > 3 and lines[3].endswith(("V2000", "V3000")))


def _layout(lines: list[str], name: str) -> TableLayout | None:
    """Layout of a table; None for a SMILES file. Raises UnreadableFile for anything else."""
    named = find_named_layout(lines)
    if named is not None and named.width > 1:
        return named
    titled = find_titled_layout(lines)
    if titled is not None:
        return titled
    layout = find_layout_by_content(lines)
    if layout is not None and layout.columns.has_structure and layout.delimiter == "\t":
        return layout
    if _reads_as_smiles(lines):
        return None
    if layout is not None and layout.columns.has_structure:
        return layout
    if named is not None:
        return named
    if any(mark.lower() in line.lower() for line in lines for mark in _SPECTRUM_MARKS):
        raise UnreadableFile("The file holds spectra, not structures", name, "Upload it as a spectrum file.")
    if layout is not None:
        columns = ", ".join(repr(column) for column in layout.first_row[:20])
        raise UnreadableFile(
            f"No column holds structures; the columns are {columns}",
            f"{name}, line 1",
            'Give the column of structures the heading "SMILES" or "InChI".',
        )
    first = next((line.strip() for line in lines if line.strip()), "")
    raise UnreadableFile(
        f"The file has no structures; it begins with {first[:60]!r}",
        name,
        "Upload a file with one SMILES on each line, a table with a SMILES column, or an SD file.",
    )


def _reads_as_smiles(lines: list[str]) -> bool:
    """Whether at least half of the first lines start with a structure."""
    structures = [fields[0] for line in lines if (fields := split_smiles_line(line))][:_SAMPLED_LINES]
    return sum(map(_is_structure, structures)) * 2 >= max(1, len(structures))


def _is_structure(text: str) -> bool:
    try:
        parse_structure(text)
    except UnusableStructure as refusal:
        return refusal.code not in ("unparsable", "empty")  # one that is too large is a structure
    return True
