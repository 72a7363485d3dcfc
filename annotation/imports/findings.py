"""The report of a check: what a file holds, before anything of it is stored.

`Report.as_json` is stored with the import, in this form:
`{"n_read": 5, "n_accepted": 4, "n_merged": 1, "n_molecules": 3, "n_changed": 1, "n_rejected": 1,
"n_added": 3, "n_removed": 0, "compared_with": null, "notes": [...], "rejections": [...], "preview": [...]}`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from annotation.exports.csv_text import csv_cell
from annotation.libraries.import_notes import ImportNote
from annotation.plain_text import clean

MAX_KINDS = 200  # of rejections; a file cannot add any
MAX_POSITIONS = 10
MAX_PREVIEW = 12
REJECTED_COLUMNS = ("position", "code", "reason", "remedy", "text")


@dataclass(slots=True)
class Rejection:
    """All rows or spectra that were rejected with one code."""

    code: str
    reason: str  # of the first
    remedy: str
    n: int = 0
    positions: list[str] = field(default_factory=list)  # of the first ones


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One of the first rows or spectra, as it would be stored."""

    position: str
    name: str
    formula: str
    smiles: str
    mz: float  # exact mass of a molecule, precursor m/z of a spectrum
    adduct: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    n_read: int
    n_accepted: int  # molecules of the version and merged rows; or spectra
    n_merged: int  # rows with the molecule of an earlier row
    n_molecules: int
    n_changed: int
    n_rejected: int
    n_added: int  # molecules that the newest version does not have
    n_removed: int  # molecules of the newest version that the file does not have
    compared_with: int | None  # number of that version
    notes: Sequence[ImportNote]
    rejections: Sequence[Rejection]
    preview: Sequence[PreviewRow]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Rejections:
    """Counts rejections by code, and writes every one of them to a file, in bounded memory."""

    def __init__(self, stream: TextIO) -> None:
        self._by_code: dict[str, Rejection] = {}
        self._writer = csv.writer(stream)
        self._writer.writerow(REJECTED_COLUMNS)

    def add(self, position: str, code: str, reason: str, remedy: str, text: str) -> None:
        position, reason, remedy = clean(position, 300), clean(reason, 1000), clean(remedy, 1000)
        self._writer.writerow(
            [csv_cell(value) for value in (position, code, reason, remedy, clean(text, 300))]
        )
        if code not in self._by_code and len(self._by_code) == MAX_KINDS:
            return
        kind = self._by_code.setdefault(code, Rejection(code, reason, remedy))
        kind.n += 1
        if len(kind.positions) < MAX_POSITIONS:
            kind.positions.append(position)

    def most_frequent_first(self) -> list[Rejection]:
        return sorted(self._by_code.values(), key=lambda kind: -kind.n)
