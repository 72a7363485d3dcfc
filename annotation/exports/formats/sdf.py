"""SDF: one record for each feature and candidate, with the columns of the table as its data."""

from __future__ import annotations

from pathlib import Path

from annotation.exports.contents import EXPORT_COLUMNS, Contents
from annotation.exports.csv_text import plain_cell
from models_ml.molecules.molfile import NO_STRUCTURE, molfile

# A line that begins with it ends a record.
END = "$$$$"


def write_sdf(contents: Contents, path: Path) -> int:
    """A feature without a candidate has a record without atoms, so that no feature is missing."""
    n_rows = 0
    with path.open("w", encoding="utf-8") as stream:
        for row in contents.rows():
            smiles, title = str(row["smiles"] or ""), str(row["name"] or row["title"] or "")
            stream.write(molfile(smiles, title) if smiles else NO_STRUCTURE)
            data = {name: _one_line(row[name]) for name in EXPORT_COLUMNS}
            data["snapshot_id"] = contents.snapshot.id
            stream.writelines(f">  <{name}>\n{text}\n\n" for name, text in data.items() if text)
            stream.write(f"{END}\n")
            n_rows += 1
    return n_rows


def _one_line(value: object) -> str:
    """A blank line would end the value, and `$$$$` the record."""
    text = " ".join(plain_cell(value).split())
    return f" {text}" if text.startswith((END, ">")) else text
