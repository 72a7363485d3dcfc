"""Clean text from outside. PostgreSQL refuses NUL, and control characters spoil pages and CSV."""

from __future__ import annotations

import re

# Characters that a person may write in one field, and that a structure may have.
LONGEST_TEXT = 10_000
LONGEST_SMILES = 2_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str, limit: int | None = None) -> str:
    """The text on one line, without control characters and lone surrogates, cut to the limit."""
    return _CONTROL.sub(" ", text).strip()[:limit]
