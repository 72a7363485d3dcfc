"""Peaks and fields of text formats: the part that MGF, MSP and MassBank share."""

from __future__ import annotations

import re
from collections.abc import Mapping

from models_ml.spectra.formats.items import Fault, RawRecord, ReadLimits
from models_ml.spectra.formats.numbers import (
    AmbiguousNumber,
    NotANumber,
    decimal_mark_of,
    lacks_digits,
    read_number,
    rounded_number,
)
from models_ml.text_lines import decode

PeakLines = list[tuple[int, bytes]]  # line number, "mz intensity [anything]"

_THOUSANDS_GROUP = re.compile(rb"^[1-9]\s+\d{3}(?:[.,]\d+)?\s+[\d.,]+(?:\s|$)")
_LOWEST_USUAL_MZ = 10.0
_INTENSITY_GROUPS = re.compile(rb"^\S+\s+[1-9]\d{0,2}(?:\s+\d{3}){1,3}(?:[.,]\d+)?$")
_GROUPED_BELOW = 1000.0
_ASCII_BLANKS = re.compile(r"[ \t]+")
_MAX_SHARED_FIELDS = 64  # Mascot, MS-DIAL and SIRIUS share about 20 and at most 2,000 characters
_MAX_SHARED_CHARACTERS = 8_000
TOO_MUCH_SHARED = Fault(
    "too_much_metadata",
    f"The records share more than {_MAX_SHARED_FIELDS} fields, or more than {_MAX_SHARED_CHARACTERS:,} "
    "characters.",
    "Export them without the extra fields.",
)


def put_peak_line(peaks: PeakLines, number: int, line: bytes, limits: ReadLimits) -> None:
    """Keep a line of peaks, up to one more than the limit: that is enough to reject the spectrum."""
    if len(peaks) <= limits.max_peaks_per_spectrum:
        peaks.append((number, line))


def put_peaks(record: RawRecord, lines: PeakLines, *, has_third_column: bool = False) -> None:
    """Read the peaks into the record. The first bad line becomes its fault.

    `has_third_column`: the format defines a number behind the intensity, as MassBank does.
    """
    if record.fault:
        return
    if not lines:
        record.mz, record.intensity = [], []
        return
    words = [line.split(None, 2) for _, line in lines]
    try:
        if b"_" in b"".join(line for _, line in lines):  # float reads "1_0" as 10
            raise ValueError
        mz = [float(of_line[0]) for of_line in words]
        intensity = [float(of_line[1]) for of_line in words]
    except (ValueError, IndexError):
        _put_unusual_peaks(record, lines)
        return
    record.mz, record.intensity = mz, intensity
    if min(mz) < _LOWEST_USUAL_MZ:
        _refuse_blank_groups(record, lines)
    if not has_third_column and max(intensity) < _GROUPED_BELOW and max(map(len, words)) > 2:
        _refuse_blank_groups_of_intensity(record, lines)
    _refuse_rounded(record, lines)


def _put_unusual_peaks(record: RawRecord, lines: PeakLines) -> None:
    """Read peaks with decimal commas or thousands separators. All numbers of a record share one notation."""
    tokens: list[str] = []
    for number, line in lines:
        parts = _numbers_of_line(decode(line))
        if len(parts) < 2:
            record.fault = _bad_peak_line(number, line)
            return
        tokens += [part.rstrip(",;") for part in parts[:2]]
    mark = decimal_mark_of(tokens)
    numbers: list[float] = []
    example = ""
    for index, token in enumerate(tokens):
        number, line = lines[index // 2]
        try:
            value, repaired = read_number(token, mark)
        except AmbiguousNumber as error:
            reason = f"Line {number}: {error}."
            remedy = "Export numbers with a decimal point and without thousands separators."
            record.fault = Fault("ambiguous_number", reason, remedy)
            return
        except NotANumber:
            record.fault = _bad_peak_line(number, line)
            return
        numbers.append(value)
        if repaired and not example:
            example = f"Line {number}: {token!r} is read as {value:.12g}"
    if example:
        reason = f"The peaks have decimal commas or thousands separators. {example}."
        record.repairs.append(Fault("number_format", reason, "Export numbers with a decimal point."))
    record.mz, record.intensity = numbers[0::2], numbers[1::2]
    _refuse_rounded(record, lines)


def _numbers_of_line(text: str) -> list[str]:
    """The first two words. If plain blanks separate them, blanks that do not break a line group digits."""
    parts = _ASCII_BLANKS.split(text, maxsplit=2)
    if len(parts) < 2:
        return text.split(None, 2)
    return [_without_tail(part) for part in parts]


def _without_tail(word: str) -> str:
    """ "120.5\u00a0C5H4" is the number 120.5, but "1\u00a0234" is 1234."""
    head, *rest = word.split(None, 1)
    return head if rest and not rest[0][:1].isdigit() else word


def _refuse_blank_groups(record: RawRecord, lines: PeakLines) -> None:
    """Refuse "1 234.5 100": the m/z is 1 or 1234.5."""
    for number, line in lines:
        if _THOUSANDS_GROUP.match(line):
            first, second = decode(line).split(None, 2)[:2]
            record.fault = Fault(
                "ambiguous_number",
                f"Line {number}: the m/z can be {first} or {first}{second}.",
                "Export numbers without a blank between the thousands.",
            )
            return


def _refuse_blank_groups_of_intensity(record: RawRecord, lines: PeakLines) -> None:
    """Refuse "71.05 1 234" if each third word can be the end of an intensity: it is 1 or 1234."""
    example = None
    for number, line in lines:
        if _INTENSITY_GROUPS.match(line):
            example = example or (number, line)
        elif len(line.split(None, 2)) > 2:
            return
    if example:
        number, line = example
        first, rest = decode(line).split(None, 2)[1:]
        record.fault = Fault(
            "ambiguous_number",
            f"Line {number}: the intensity can be {first} or {first}{''.join(rest.split())}.",
            "Export numbers without a blank between the thousands.",
        )


def _refuse_rounded(record: RawRecord, lines: PeakLines) -> None:
    """Refuse m/z such as 1.31E+02. The first and the last show whether a spreadsheet changed the list."""
    for number, line in (lines[0], lines[-1]):
        word = decode(line.split(None, 1)[0])
        if lacks_digits(word):
            record.fault = rounded_number(f"Line {number}: the m/z", word)
            return


def _bad_peak_line(number: int, line: bytes) -> Fault:
    return Fault(
        "bad_peak",
        f"Line {number} must hold an m/z and an intensity, but it is {decode(line[:60])!r}.",
        "Write two numbers with decimal points, separated by a blank or a tab.",
    )


def unfinished(reason: str) -> Fault:
    """The fault of a record without its end."""
    return Fault("unfinished_record", reason, "Copy or export the file again: this copy may be cut off.")


def is_too_much_to_share(fields: Mapping[str, str]) -> bool:
    """Whether fields are too many or too long to be copied to several records: a small file with 2,000
    shared fields and 50,000 records would take minutes.
    """
    length = sum(len(name) + len(value) for name, value in fields.items())
    return len(fields) > _MAX_SHARED_FIELDS or length > _MAX_SHARED_CHARACTERS


def put_field(record: RawRecord, name: str, value: str, limits: ReadLimits) -> None:
    """Keep a field. A repeated name adds a line to its value. Beyond the limits the record gets a fault."""
    if len(record.fields) >= limits.max_fields_per_spectrum or len(value) > limits.max_field_length:
        record.fault = Fault(
            "too_much_metadata",
            f"The record has more than {limits.max_fields_per_spectrum} fields, or a field longer than "
            f"{limits.max_field_length:,} characters.",
            "Export it without the extra fields.",
        )
        return
    earlier = record.fields.get(name)
    if earlier is None:
        record.fields[name] = value
    elif len(earlier) + len(value) <= limits.max_field_length:
        record.fields[name] = f"{earlier}\n{value}"


def check_count(record: RawRecord, announced: str, name: str) -> None:
    """State a difference between the number of peaks that a record announces and the number it has."""
    try:
        expected = read_number(announced)[0]
    except NotANumber:
        return
    count = len(record.mz)
    if record.fault or expected == count:
        return
    if count == 0:
        reason = f"{name} is {announced[:30]}, but the record has no peaks."
        record.fault = Fault("no_peaks", reason, "Export the record again with its peaks.")
        return
    record.repairs.append(
        Fault(
            "peak_count",
            f"{name} is {announced[:30]}, but the record has {count} peaks; these are used.",
            "Check that the record is complete.",
        )
    )
