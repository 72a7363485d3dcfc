"""Reads any structure file: tells the format by content and hands the lines to its reader."""

from __future__ import annotations

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
from models_ml.molecules.readers.table import TableLayout, find_layout, read_table
from models_ml.molecules.structure_text import UnusableStructure, parse_structure
from models_ml.unreadable import UnreadableFile

_SAMPLED_LINES = 20
_SPECTRA = ("BEGIN IONS", "<mzML", "<indexedmzML", "<mzXML", "ACCESSION:", "NUM PEAKS")


def read_structures(
    path: Path, *, limits: StructureFileLimits = DEFAULT_FILE_LIMITS
) -> Iterator[StructureRow | StructureIssue]:
    """Rows of a SMILES file, a table or an SD file, in file order, one at a time.

    Raises UnreadableFile where nothing can be read, and in mid-file where it is cut off. It reads bytes
    that somebody uploaded: servers run it in a child process, see `standardised_rows`.
    """
    head = read_head(path)
    lines = read_lines(path, limits)
    rows: Iterator[StructureRow | StructureIssue]
    if _is_sdf(head):
        rows = read_sdf(lines, limits)
    else:
        layout = _layout(head, path.name)
        rows = read_smiles_file(lines) if layout is None else read_table(lines, layout)
    first = next(rows, None)
    if first is None:
        raise UnreadableFile(
            "It holds no structure, only a heading or comments.", path.name, "Add at least one row."
        )
    yield first
    yield from rows


def _is_sdf(head: str) -> bool:
    lines = [line.rstrip() for line in head.splitlines()]
    return "$$$$" in lines or "M  END" in lines or (len(lines) > 3 and lines[3].endswith(("V2000", "V3000")))


def _layout(head: str, name: str) -> TableLayout | None:
    """The table's layout; None for a SMILES file. Raises UnreadableFile for anything else."""
    whole = head.splitlines()
    if len(whole) > 1 and not head.endswith("\n"):
        whole = whole[:-1]  # the head may end inside a line
    layout = find_layout(whole)
    if layout is not None and layout.columns.has_structure and not _reads_as_smiles(whole[:1]):
        return layout
    if _reads_as_smiles(whole):
        return None
    if any(mark.lower() in head.lower() for mark in _SPECTRA):
        raise UnreadableFile(
            "It is a file of spectra, not of structures.", name, "Upload it where spectra are taken."
        )
    if layout is not None:
        seen = ", ".join(repr(column) for column in layout.header[:20])
        raise UnreadableFile(
            f"No column holds structures; the columns are {seen}.",
            f"{name}, line 1",
            'Head the column of structures "SMILES" or "InChI".',
        )
    first = next((line.strip() for line in whole if line.strip()), "")
    raise UnreadableFile(
        f"No structures are found in it; it begins with {first[:60]!r}.",
        name,
        "Write one SMILES a line, or a table with a SMILES column, or an SD file.",
    )


def _reads_as_smiles(lines: list[str]) -> bool:
    """Whether at least half of the first lines begin with a structure."""
    structures = [fields[0] for line in lines if (fields := split_smiles_line(line))][:_SAMPLED_LINES]
    return sum(map(_is_structure, structures)) * 2 >= max(1, len(structures))


def _is_structure(text: str) -> bool:
    try:
        parse_structure(text)
    except UnusableStructure as refusal:
        return refusal.code not in ("unparsable", "empty")  # too large is a structure all the same
    return True
