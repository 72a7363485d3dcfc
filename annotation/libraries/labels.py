"""What pages call a molecule."""

from __future__ import annotations

from collections.abc import Sequence


def label(names: Sequence[str], ids: Sequence[str], inchikey_first_block: str) -> str:
    """The first name, else an identifier, else the first block of the InChIKey.

    Many SMILES files have names where identifiers belong. So an identifier without digits comes first.
    """
    without_digits = [text for text in ids if not any(map(str.isdigit, text))]
    return next(iter((*names, *without_digits, *ids)), inchikey_first_block)
