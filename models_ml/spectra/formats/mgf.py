"""Reads Mascot generic format (MGF): BEGIN IONS … END IONS blocks, in all common dialects."""

from __future__ import annotations

from collections.abc import Iterator

from models_ml.spectra.formats.field_names import field_key
from models_ml.spectra.formats.items import RawRecord
from models_ml.spectra.formats.peak_text import (
    PeakLines,
    check_count,
    put_field,
    put_peak_line,
    put_peaks,
    unfinished,
)
from models_ml.spectra.formats.source import Source
from models_ml.text_lines import decode

_COMMENT = b"#;!/"
_DIGITS = b"0123456789.+-"
_NUMBER = b"0123456789.,;:+-eE"
_COUNT_KEYS = ("numpeaks", "npeaks", "peakscount")


def read_mgf(source: Source) -> Iterator[RawRecord]:
    shared: dict[str, str] = {}  # fields before the first block apply to each block that does not have them
    record: RawRecord | None = None
    peaks: PeakLines = []
    limits = source.limits
    for number, line in source.lines():
        if not line:
            continue
        first = line[0]
        if record is not None and first in _DIGITS and (b"=" not in line or _starts_with_number(line)):
            put_peak_line(peaks, number, line, limits)
            continue
        marker = line[:10].upper()
        if marker == b"BEGIN IONS":
            if record is not None:
                yield _unfinished(record)
            record, peaks = RawRecord(source.at(f"line {number}"), dict(shared)), []
        elif marker[:8] == b"END IONS":
            if record is not None:
                yield _finish(record, peaks)
            record = None
        elif first in _COMMENT:
            continue
        elif b"=" in line:
            name, _, value = decode(line).partition("=")
            if record is None:
                if len(shared) < limits.max_fields_per_spectrum:
                    shared[name.strip()] = value.strip()[: limits.max_field_length]
            else:
                _put(record, name.strip(), value.strip(), shared, source)
        elif record is not None:
            _note_stray(record, number, line, peaks, source)
    if record is not None:
        yield _unfinished(record)


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
    elif line[:3].lower() in (b"nan", b"inf") or len(line.split()) == 2:
        peaks.append((number, line))


def _finish(record: RawRecord, peaks: PeakLines) -> RawRecord:
    put_peaks(record, peaks)
    for name, value in record.fields.items():
        if field_key(name) in _COUNT_KEYS:
            check_count(record, value, name)
    return record


def _unfinished(record: RawRecord) -> RawRecord:
    record.fault = unfinished("The block starts with BEGIN IONS but has no END IONS.")
    return record
