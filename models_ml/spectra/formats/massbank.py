"""Reads MassBank records, format 2.6 and older: tagged lines up to "//", one or many records in a file."""

from __future__ import annotations

from collections.abc import Iterator

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

# Tags whose value starts with a field name: "AC$MASS_SPECTROMETRY: MS_TYPE MS2" is the field MS_TYPE.
_GROUPS = frozenset(
    {"AC$MASS_SPECTROMETRY", "AC$CHROMATOGRAPHY", "AC$GENERAL", "MS$FOCUSED_ION", "MS$DATA_PROCESSING",
     "CH$LINK", "SP$LINK"}
)  # fmt: skip


def read_massbank(source: Source) -> Iterator[RawRecord]:
    record: RawRecord | None = None
    peaks: PeakLines = []
    table = ""  # the last tag, to which indented lines belong
    for number, line in source.lines():
        if not line:
            continue
        if line == b"//":
            if record is not None:
                yield _finish(record, peaks)
            record = None
            continue
        if line.startswith(b"ACCESSION:") or record is None:
            if record is not None:
                yield _unfinished(record, peaks)
            record, peaks, table = RawRecord(source.at(f"line {number}")), [], ""
        if table == "PK$PEAK" and line[0] in b"0123456789+-.nNiI":
            put_peak_line(peaks, number, line, source.limits)
            continue
        tag, colon, value = decode(line).partition(": ")
        if not colon:
            tag, colon, value = decode(line).partition(":")
        if colon and tag.isupper() and " " not in tag:
            table = tag
            _put(record, tag, value.strip(), source)
    if record is not None:
        yield _unfinished(record, peaks)


def _put(record: RawRecord, tag: str, value: str, source: Source) -> None:
    if tag == "ACCESSION":
        record.position = source.at(f"record {value[:100]}, {record.position.split(' in member')[0]}")
    if tag in _GROUPS:
        name, _, value = value.partition(" ")
        tag = name or tag
    put_field(record, tag, value, source.limits)


def _finish(record: RawRecord, peaks: PeakLines) -> RawRecord:
    if "DEPRECATED" in record.fields:
        record.withdrawn = (
            f"The record is deprecated: {record.fields['DEPRECATED'][:200] or 'no reason given'}."
        )
    put_peaks(record, peaks, has_third_column=True)
    check_count(record, record.fields.get("PK$NUM_PEAK", ""), "PK$NUM_PEAK")
    return record


def _unfinished(record: RawRecord, peaks: PeakLines) -> RawRecord:
    """A record without its "//" is complete only if it has as many peaks as it announces."""
    if record.fields.get("PK$NUM_PEAK", "") == str(len(peaks)):
        return _finish(record, peaks)
    if "DEPRECATED" in record.fields:
        return _finish(record, peaks)
    record.fault = unfinished('The record ends before its closing "//".')
    return record
