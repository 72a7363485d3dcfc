"""SD files (V2000 and V3000) and single molfiles, record by record. A bad record does not affect others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from models_ml.molecules.readers.columns import find_columns
from models_ml.molecules.readers.rows import StructureFileLimits, StructureIssue, StructureRow
from models_ml.molecules.readers.source import Line

_RECORD_END = "$$$$"
_MOLFILE_END = "M  END"
_PROPERTY = re.compile(r"^>.*?<([^>]*)>")


def read_sdf(lines: Iterable[Line], limits: StructureFileLimits) -> Iterator[StructureRow | StructureIssue]:
    """One row or issue for each record. The last one may lack its $$$$."""
    record: list[str] = []
    first_line, length, row_number = 1, 0, 0
    for line in lines:
        if line.text.startswith(_RECORD_END):
            row_number += 1
            yield _row(row_number, first_line, record, length, limits)
            record, first_line, length = [], line.number + 1, 0
        else:
            length += len(line.text) + 1
            if length <= limits.max_record_length:
                record.append(line.text)
    if any(text.strip() for text in record):
        yield _row(row_number + 1, first_line, record, length, limits)


def _row(
    row_number: int, first_line: int, record: list[str], length: int, limits: StructureFileLimits
) -> StructureRow | StructureIssue:
    position = f"record {row_number:,} (line {first_line:,})"
    title = record[0].strip() if record else ""
    if length > limits.max_record_length:
        return StructureIssue(
            row_number,
            position,
            "too_long",
            f"The record has {length:,} characters; the limit is {limits.max_record_length:,}.",
            "End each record with $$$$ and remove very large records.",
            title,
        )
    end = next((index for index, text in enumerate(record) if text.rstrip() == _MOLFILE_END), None)
    if end is None:
        return StructureIssue(
            row_number,
            position,
            "truncated_record",
            'The record has no "M  END" line, so its molfile is cut off.',
            "Export the file again.",
            title,
        )
    properties = _properties(record[end + 1 :])
    source_id, name = _identity(properties, title)
    molfile = "\n".join(record[: end + 1]) + "\n"
    values = list(properties.values())
    columns = find_columns(list(properties))

    def value(index: int | None) -> str:
        return values[index].strip() if index is not None else ""

    smiles = value(columns.smiles) if columns.smiles is not None and not columns.unused else ""
    return StructureRow(
        row_number,
        position,
        molfile,
        "molfile",
        source_id,
        name,
        value(columns.inchi) or smiles,
        value(columns.inchikey),
        value(columns.formula),
        value(columns.exact_mass),
    )


def _properties(lines: list[str]) -> dict[str, str]:
    """Data items: a "> <NAME>" line, then the value up to a blank line."""
    properties: dict[str, str] = {}
    name: str | None = None
    for text in lines:
        if match := _PROPERTY.match(text):
            name = match.group(1)
        elif not text.strip():
            name = None
        elif name is not None:
            properties[name] = f"{properties[name]}\n{text}" if name in properties else text
    return properties


def _identity(properties: dict[str, str], title: str) -> tuple[str, str]:
    """Identifier and name. The title line replaces whichever is missing, the identifier first."""
    values = list(properties.values())
    columns = find_columns(list(properties))
    source_id = values[columns.source_id].strip() if columns.source_id is not None else ""
    name = values[columns.name].strip() if columns.name is not None else ""
    if not source_id:
        return title, name
    return source_id, name or title
