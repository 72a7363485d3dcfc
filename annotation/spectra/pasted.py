"""One spectrum from a form: pasted peaks, or a reference spectrum, as the JSON file that the reader expects.

Such a spectrum takes the same path as a file, so that it is limited, checked and reported alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.files.base import ContentFile

MAX_CHARACTERS = 500_000
_SEPARATORS = str.maketrans(";\t", "  ")


class BadPeaks(Exception):
    """The text is not a list of peaks. The message names the line and how to fix it."""


def parse_peaks(text: str) -> list[tuple[float, float]]:
    """Pairs of m/z and intensity: one in each line, or all as "mz:intensity". Raises BadPeaks."""
    peaks: list[tuple[float, float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = _words(line)
        joined = [word.split(":") for word in words]
        pairs = joined if words and all(len(pair) == 2 for pair in joined) else [words]
        for pair in pairs if words else []:
            peaks.append(_peak(pair, number))
    if not peaks:
        raise BadPeaks("There are no peaks. Write one in each line: the m/z, a blank and the intensity.")
    return peaks


def _words(line: str) -> list[str]:
    """A comma separates two numbers only where nothing else does. Otherwise it may be a decimal comma."""
    words = [word.rstrip(",") for word in line.translate(_SEPARATORS).split()]
    return words[0].split(",") if len(words) == 1 and words[0].count(",") == 1 else words


def _peak(words: list[str], number: int) -> tuple[float, float]:
    problem = f"Line {number} is not a peak: {' '.join(words)[:60]}. "
    if any("," in word for word in words):
        raise BadPeaks(problem + "Write decimal points instead of commas.")
    if len(words) < 2:
        raise BadPeaks(problem + "Write the m/z, a blank and the intensity.")
    try:
        return float(words[0].replace("_", "?")), float(words[1].replace("_", "?"))
    except ValueError:
        raise BadPeaks(problem + "Write the m/z and the intensity as numbers, such as 121.028 100.") from None


def as_file(peaks: list[tuple[float, float]], fields: Mapping[str, Any], name: str) -> ContentFile[Any]:
    """The file of one spectrum. `fields` are named as in the REST interface; empty ones are left out."""
    spectrum = {key: value for key, value in fields.items() if value not in (None, "")}
    document = {"spectra": [spectrum | {"peaks": peaks}]}
    return ContentFile(json.dumps(document).encode(), name=name)
