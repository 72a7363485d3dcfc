"""Reads numbers of text formats strictly: decimal commas and thousands separators only where unambiguous.

Never reads a part of a text as a number: "281,2" is 281.2, and "281,123" is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from models_ml.spectra.formats.items import Fault

_PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_NOT_FINITE = frozenset({"nan", "+nan", "-nan", "inf", "+inf", "-inf", "infinity", "-infinity"})
_MARKS = re.compile(r"[.,]")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]+\Z")
# Apostrophes and the blanks that do not break a line only group digits.
_GROUP_MARKS = re.compile("(?<=[0-9])['’\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
# Spreadsheets show large numbers as "2.81E+02". No instrument writes m/z with fewer than two decimals so.
_WITH_EXPONENT = re.compile(r"[+-]?[0-9]+(?:[.,]([0-9]*))?[eE]\+?0?([0-4])\Z")
_MIN_DECIMALS = 2
_MAX_TEXT = 60
_POINT, _COMMA = ".", ","


class NotANumber(ValueError):
    """The text is not a number."""


class AmbiguousNumber(NotANumber):
    """The text can be read as two numbers."""

    def __init__(self, text: str, as_decimal: str, as_thousands: str) -> None:
        super().__init__(f"{text!r} can be {as_decimal} or {as_thousands}")


def read_number(text: str, decimal_mark: str = "") -> tuple[float, bool]:
    """The number, and whether the text was not in plain notation with a decimal point.

    ``decimal_mark`` ("." or ",") settles texts such as "281,123". Raises AmbiguousNumber or NotANumber.
    """
    text = text.strip()
    if len(text) > _MAX_TEXT:
        raise NotANumber(f"{text[:_MAX_TEXT]!r} is too long for a number")
    if _PLAIN.match(text):
        if decimal_mark == _COMMA and _is_group_of_three(text, _POINT):
            raise AmbiguousNumber(text, text, text.replace(_POINT, ""))
        return float(text), False
    if text.lower() in _NOT_FINITE:
        return float(text), False
    plain = _to_plain(text, decimal_mark)
    if not _PLAIN.match(plain):
        raise NotANumber(f"{text!r} is not a number")
    return float(plain), True


def _to_plain(text: str, decimal_mark: str) -> str:
    """Plain notation of a number with commas or groups, or a text that is no number."""
    text = _GROUP_MARKS.sub("", text)
    exponent = _EXPONENT.search(text)
    tail = exponent[0] if exponent else ""
    body = text[: len(text) - len(tail)]
    marks = _MARKS.findall(body)
    kinds = set(marks)
    if not marks:
        return text
    if len(kinds) == 2:
        last = marks[-1]
        group = _COMMA if last == _POINT else _POINT
        whole, _, fraction = body.rpartition(last)
        whole = _without_groups(whole, group) if last not in whole else ""
        return f"{whole}.{fraction}{tail}" if whole else ""
    mark = marks[0]
    if len(marks) > 1:  # "1,234,567"
        return _without_groups(body, mark) + tail
    if mark == _POINT:
        return text
    if _is_group_of_three(body, _COMMA) and not tail:
        as_decimal, as_thousands = body.replace(_COMMA, _POINT), body.replace(_COMMA, "")
        if not decimal_mark:
            raise AmbiguousNumber(text, as_decimal, as_thousands)
        return as_decimal if decimal_mark == _COMMA else as_thousands
    return body.replace(_COMMA, _POINT) + tail


def _without_groups(text: str, mark: str) -> str:
    first, *groups = text.lstrip("+-").split(mark)
    if not first.isdigit() or len(first) > 3 or any(len(part) != 3 for part in groups):
        return ""
    return text.replace(mark, "")


def _is_group_of_three(text: str, mark: str) -> bool:
    """Whether the mark can separate thousands: "281,123", but neither "0,123" nor "1281,123"."""
    whole, found, fraction = text.lstrip("+-").partition(mark)
    return bool(found) and len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")


def decimal_mark_of(texts: Iterable[str]) -> str:
    """The decimal mark that all unambiguous numbers of one list use, or "" if they use none or both."""
    marks = set()
    has_weak_point = False  # "1.234" is a decimal point, unless other numbers have decimal commas
    for text in texts:
        found = _MARKS.findall(text)
        if len(set(found)) == 2:
            marks.add(found[-1])
        elif len(found) > 1:
            marks.add(_POINT if found[0] == _COMMA else _COMMA)
        elif found and not _is_group_of_three(_EXPONENT.sub("", text), found[0]):
            marks.add(found[0])
        elif found and found[0] == _POINT:
            has_weak_point = True
    if not marks and has_weak_point:
        return _POINT
    return marks.pop() if len(marks) == 1 else ""


def lacks_digits(text: str) -> bool:
    """Whether an exponent rounds an m/z to 0.1 or coarser, as "2.81E+02" of a spreadsheet does."""
    match = _WITH_EXPONENT.match(text)
    return match is not None and len(match[1] or "") - int(match[2]) < _MIN_DECIMALS


def rounded_number(where: str, text: str) -> Fault:
    """The fault of an m/z that `lacks_digits`."""
    return Fault(
        "rounded_number",
        f"{where} {text[:_MAX_TEXT]!r} has lost its decimals, as a spreadsheet rounds numbers.",
        "Export the original numbers again, or show the column with four decimals before saving the table.",
    )


def number_format(text: str, number: float) -> Fault:
    """The repair of a number with decimal comma or thousands separators."""
    return Fault(
        "number_format",
        f"{text[:_MAX_TEXT]!r} is read as {number:.12g}.",
        "Export numbers with a decimal point and without thousands separators.",
    )
