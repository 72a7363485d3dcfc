"""SMILES files: on each line a SMILES or InChI, then its identifier and name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from models_ml.molecules.readers.columns import is_spreadsheet_error, is_structure_header
from models_ml.molecules.readers.rows import StructureFormat, StructureRow
from models_ml.molecules.readers.source import Line

_EXTENSION = re.compile(r"(\S+)\s+(\|[^|]*\|)\s*(.*)", re.DOTALL)


def read_smiles_file(lines: Iterable[Line]) -> Iterator[StructureRow]:
    """One row for each line that is not blank, a comment ("#") or the heading."""
    row_number = 0
    for line in lines:
        fields = split_smiles_line(line.text)
        if not fields or (row_number == 0 and is_structure_header(fields[0])):
            continue
        row_number += 1
        structure = fields[0]
        kind: StructureFormat = "inchi" if structure.startswith("InChI=") else "smiles"
        source_id, name = (*fields[1:3], "", "")[:2]
        yield StructureRow(row_number, f"line {line.number:,}", structure, kind, source_id, name)


def split_smiles_line(text: str) -> list[str]:
    """Structure, identifier and name, separated by tabs or the first blank. Empty for a blank or comment.

    A ChemAxon extension stays with the structure: it can say that the SMILES is not the whole molecule.
    """
    text = text.strip()
    if not text or (text.startswith("#") and not is_spreadsheet_error(text)):
        return []
    if "|" in text and (match := _EXTENSION.fullmatch(text)):
        smiles, extension, rest = match.groups()
        identity = rest.split("\t") if "\t" in rest else [rest]
        return [f"{smiles} {extension}", *(field.strip() for field in identity if rest)]
    fields = text.split("\t") if "\t" in text else text.split(None, 1)
    return [field.strip() for field in fields]
