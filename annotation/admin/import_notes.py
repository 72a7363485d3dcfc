"""Import notes of a version, as the admin shows them."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from annotation.libraries.import_notes import ImportNote, note_lines


def notes_as_html(notes: Sequence[ImportNote], unit: str) -> SafeString | str:
    """One line for each kind. `unit`: "row" or "spectrum"."""
    return format_html_join("", "<p>{}</p>", ((line,) for line in note_lines(notes, unit))) or "–"
