"""What an import changed, removed or assumed in rows that it used: counts by kind, with the first examples.

Stored with the version of a library or of a reference collection, in this form, as JSON:
`[{"code": "charges_changed", "text": "Charges were changed ...", "count": 12, "examples": ["line 3: ..."]}]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypedDict

from annotation.plain_text import clean
from models_ml.molecules.readers import StandardRow, StructureIssue

MAX_EXAMPLES = 3
_MAX_EXAMPLE = 300  # characters
_MAX_STRUCTURE = 100
_MAX_KINDS = 200  # codes are few; a file cannot add any


class ImportNote(TypedDict):
    """One kind of note."""

    code: str  # stable, for programs
    text: str  # one sentence
    count: int  # rows or spectra
    examples: list[str]  # of the first ones: position, and where a structure was changed, both structures


class ImportNotes:
    """Collects the notes of one import, in bounded memory."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, code: str, text: str, example: str) -> None:
        """Count a note. `text` is the sentence of the kind; of several, the first is kept."""
        if code not in self._texts and len(self._texts) == _MAX_KINDS:
            return
        self._texts.setdefault(code, clean(text))
        self._counts[code] += 1
        examples = self._examples.setdefault(code, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(clean(example, _MAX_EXAMPLE))

    def add_row(self, row: StandardRow | StructureIssue) -> None:
        """Count the notes of a row of a structure file."""
        for note in row.notes:
            example = row.position
            if isinstance(row, StandardRow) and note.code in row.molecule.notes:
                example = changed_structure(row.position, row.molecule.drawn_smiles, row.molecule.smiles)
            self.add(note.code, note.text, example)

    def rows(self) -> list[ImportNote]:
        """The value to store: one entry for each kind, most frequent first, then in order of appearance."""
        return [
            {"code": code, "text": self._texts[code], "count": count, "examples": self._examples[code]}
            for code, count in self._counts.most_common()
        ]


def changed_structure(position: str, drawn: str, standard: str) -> str:
    """An example: where the structure is, how it was drawn, and the form that is used."""
    if drawn == standard:
        return f"{position}: {_shortened(standard)}"
    return f"{position}: {_shortened(drawn)} → {_shortened(standard)}"


def note_lines(notes: Iterable[ImportNote], unit: str) -> list[str]:
    """One line for each kind, for a terminal or a log. `unit`: "row" or "spectrum"."""
    plural = {"spectrum": "spectra"}.get(unit, f"{unit}s")
    return [
        f"{note['count']:,} {unit if note['count'] == 1 else plural}, {note['code']}: {note['text']} "
        f"For example {'; '.join(note['examples'])}."
        for note in notes
    ]


def _shortened(smiles: str) -> str:
    return smiles if len(smiles) <= _MAX_STRUCTURE else f"{smiles[: _MAX_STRUCTURE - 1]}…"
