"""Which of the submitted files is the quantification table of which spectra file, by content and name.

mzmine writes `run_quant.csv` beside `run.mgf`. Its rows are the features of the MGF, its columns the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, TypeAlias

from django.core.files import File

from models_ml.features.quantities import is_quantities

_HEADER_BYTES = 256 * 1024  # names of some thousand samples
_Upload: TypeAlias = "File[Any]"


def pair_tables(files: Sequence[_Upload]) -> list[tuple[_Upload, _Upload | None]]:
    """Each spectra file with its table or None, in order. A table alone stays, so that it is refused by name.

    With one spectra file and one table, they belong together. Otherwise the name of the table must begin with
    the name of the spectra file, without its extension; the longest such name counts.
    """
    tables = [file for file in files if is_table(file)]
    spectra = [file for file in files if file not in tables]
    of_spectra: dict[int, _Upload] = {}
    for table in list(tables):
        owner = _owner(table, spectra) if len(spectra) > 1 or len(tables) > 1 else next(iter(spectra), None)
        if owner is not None and id(owner) not in of_spectra:
            of_spectra[id(owner)] = table
            tables.remove(table)
    return [(file, of_spectra.get(id(file))) for file in files if file in spectra or file in tables]


def is_table(file: _Upload) -> bool:
    """Whether the first line is the heading of a quantification table. Reads no more than that."""
    file.seek(0)
    head = file.read(_HEADER_BYTES)
    file.seek(0)
    first, end, _ = (head.encode() if isinstance(head, str) else head).partition(b"\n")
    if b"\0" in first or (not end and len(head) == _HEADER_BYTES):
        return False
    return is_quantities(first.decode("utf-8-sig", errors="replace"))


def _owner(table: _Upload, spectra: Sequence[_Upload]) -> _Upload | None:
    name = _stem(table)
    owners = [file for file in spectra if _stem(file) and name.startswith(_stem(file))]
    return max(owners, key=lambda file: len(_stem(file)), default=None)


def _stem(file: _Upload) -> str:
    return PurePath(file.name or "").name.split(".")[0].lower()
