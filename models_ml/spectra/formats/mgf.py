"""Reads Mascot generic format (MGF): BEGIN IONS … END IONS blocks, in all common dialects."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models_ml.spectra.formats.field_names import field_key
from models_ml.spectra.formats.items import WHOLE_FILE, Fault, RawRecord, SpectrumIssue
from models_ml.spectra.formats.peak_text import (
    TOO_MUCH_SHARED,
    PeakLines,
    check_count,
    is_too_much_to_share,
    put_field,
    put_peaks,
    unfinished,
)
from models_ml.spectra.formats.source import Source
from models_ml.text_lines import decode
from models_ml.unreadable import UnreadableFile

_COMMENT = b"#;!/"
_DIGITS = b"0123456789.+-"
_NUMBER = b"0123456789.,;:+-eE"
_WORDS = re.compile(rb"[\s,;\"']+")
_COUNT_KEYS = ("numpeaks", "npeaks", "peakscount")


def read_mgf(source: Source) -> Iterator[RawRecord | SpectrumIssue]:
    shared: dict[str, str] = {}  # fields before the first block apply to each block that does not have them
    outside = _Outside(source)
    record: RawRecord | None = None
    peaks: PeakLines = []
    limits = source.limits
    max_lines = limits.max_peaks_per_spectrum + 1  # one more than the limit is enough to reject the spectrum
    for number, line in source.lines():
        if not line:
            continue
        first = line[0]
        if record is not None and first in _DIGITS and (b"=" not in line or _starts_with_number(line)):
            if len(peaks) < max_lines:
                peaks.append((number, line))
            continue
        marker = line[:10].upper()
        if marker == b"BEGIN IONS":
            if record is not None:
                yield _unfinished(record)
            had_header = outside.in_header
            yield from outside.end(shared, is_block=False)
            if had_header and is_too_much_to_share(shared):
                where = source.at(f"before line {number}")
                raise UnreadableFile(TOO_MUCH_SHARED.reason.rstrip("."), where, TOO_MUCH_SHARED.remedy)
            record, peaks = RawRecord(source.at(f"line {number}"), dict(shared)), []
        elif marker[:8] == b"END IONS":
            if record is not None:
                yield _finish(record, peaks)
            else:
                yield from outside.end(shared, is_block=True)
            record = None
        elif first in _COMMENT:
            continue
        elif b"=" in line:
            name, _, value = decode(line).partition("=")
            if record is None:
                if outside.note_field(number) and len(shared) < limits.max_fields_per_spectrum:
                    shared[name.strip()] = value.strip()[: limits.max_field_length]
            else:
                _put(record, name.strip(), value.strip(), shared, source)
        elif record is not None:
            _note_stray(record, number, line, peaks, source)
        elif first in _DIGITS:
            outside.note_peak(number)
    if record is not None:
        yield _unfinished(record)
    yield from outside.end(shared, is_block=False)


class _Outside:
    """Lines outside blocks. Only fields before the first block have a meaning there."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.in_header = True
        self._first_line = 0
        self._has_peaks = False

    def note_field(self, number: int) -> bool:
        """Whether the field is one of the header, which applies to all blocks."""
        self._first_line = self._first_line or number
        return self.in_header

    def note_peak(self, number: int) -> None:
        self._first_line = self._first_line or number
        self._has_peaks = True

    def end(self, shared: dict[str, str], *, is_block: bool) -> Iterator[RawRecord | SpectrumIssue]:
        """The record or issue of the lines since the last block. `is_block`: END IONS ends them."""
        first_line, has_peaks, was_header = self._first_line, self._has_peaks, self.in_header
        self._first_line, self._has_peaks, self.in_header = 0, False, False
        if is_block or has_peaks:
            if was_header:
                shared.clear()  # they are fields of the block without a beginning
            record = RawRecord(self._source.at(f"line {first_line or 1}"))
            record.fault = unfinished("Lines of a spectrum have no BEGIN IONS before them.")
            yield record
        elif first_line and not was_header:
            yield SpectrumIssue(
                WHOLE_FILE,
                self._source.at(f"line {first_line}"),
                "repaired",
                "fields_outside_block",
                "Fields between END IONS and BEGIN IONS belong to no spectrum and are ignored.",
                "Move them into a block, or before the first block if they apply to all.",
            )


def _put(record: RawRecord, name: str, value: str, shared: dict[str, str], source: Source) -> None:
    if name in shared and record.fields.get(name) == shared[name]:
        del record.fields[name]  # the value of the block replaces the shared value
    put_field(record, name, value, source.limits)


def _starts_with_number(line: bytes) -> bool:
    """Whether the first token of a line is a number. Annotations behind a peak may contain "="."""
    return not line.split(None, 1)[0].strip(_NUMBER)


def _note_stray(record: RawRecord, number: int, line: bytes, peaks: PeakLines, source: Source) -> None:
    """Lines such as "nan 12" are bad peaks. "Num peaks: 3" of mzmine is a field. Others are ignored."""
    name, colon, value = decode(line).partition(":")
    if colon and field_key(name) in _COUNT_KEYS:
        put_field(record, name.strip(), value.strip(), source.limits)
    elif line[:3].lower() in (b"nan", b"inf") or len(line.split()) == 2 or _holds_numbers(line):
        peaks.append((number, line))
    elif not any(repair.code == "ignored_line" for repair in record.repairs):
        reason = f"Line {number} is neither a field nor a peak, and is ignored: {decode(line[:60])!r}."
        remedy = "Write fields as NAME=value. Start comments with #."
        record.repairs.append(Fault("ignored_line", reason, remedy))


def _holds_numbers(line: bytes) -> bool:
    """Whether a line has two numbers, so it is probably a peak: '* 89.06 880' or '"89.06","880"'."""
    words = [word for word in _WORDS.split(line[:200]) if word]
    return len([word for word in words if word[:1].isdigit() and not word.strip(_NUMBER)]) >= 2


def _finish(record: RawRecord, peaks: PeakLines) -> RawRecord:
    put_peaks(record, peaks)
    for name, value in record.fields.items():
        if field_key(name) in _COUNT_KEYS:
            check_count(record, value, name)
    return record


def _unfinished(record: RawRecord) -> RawRecord:
    record.fault = unfinished("The block starts with BEGIN IONS but has no END IONS.")
    return record
