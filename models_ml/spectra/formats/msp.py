"""Reads MSP libraries in the NIST and RIKEN (MS-DIAL) dialects, with the peaks in any common layout."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models_ml.spectra.formats.field_names import field_key
from models_ml.spectra.formats.items import RawRecord
from models_ml.spectra.formats.peak_text import PeakLines, check_count, put_field, put_peaks, unfinished
from models_ml.spectra.formats.source import Source
from models_ml.text_lines import decode

_HEADER = re.compile(rb"^[A-Za-z$][^:\t]{0,80}:(?!\d)")
_NUM_PEAKS = re.compile(rb"^num[ _]?peaks\s*:\s*(\S*)", re.I)
_QUOTED = re.compile(rb'"[^"]*"?')
_COLON_PAIRS = re.compile(rb"^(?:[\d.eE+-]+:[\d.eE+-]+[\s,;]*)+$")
_COMMENT_PAIR = re.compile(r'(?:^|\s)(?:"([^"=]{1,80})=([^"]*)"|([^\s"=]{1,80})="([^"]*)")')
_LONE_NUMBERS = re.compile(rb"^[\d.eE+\-\s,;()]+$")
_SEPARATORS = re.compile(rb'[";:()]')
_DIGITS = b"0123456789"
_MINUTE_S = 60.0


def read_msp(source: Source) -> Iterator[RawRecord]:
    entry: _Entry | None = None
    for number, line in source.lines():
        if not line:
            if entry is not None and entry.announced is not None:
                yield entry.finish()
                entry = None
            continue
        is_header = line[0] not in _DIGITS and _HEADER.match(line) is not None
        if entry is not None and is_header and entry.is_over(line):
            yield entry.finish()
            entry = None
        if entry is None:
            if not is_header:
                continue  # stray text between records
            entry = _Entry(source, number)
        entry.take(number, line, is_header)
    if entry is not None:
        yield entry.finish(at_end=True)


class _Entry:
    """One record, built line by line."""

    def __init__(self, source: Source, number: int) -> None:
        self.record = RawRecord(source.at(f"line {number}"))
        self.announced: str | None = None  # the value of "Num Peaks"; None before that line
        self._limits = source.limits
        self._peaks: PeakLines = []

    def is_over(self, line: bytes) -> bool:
        """Whether a header line starts the next record: after peaks, or with a second name."""
        if self.announced is not None:
            return True
        return line[:5].upper() == b"NAME:" and any(name.upper() == "NAME" for name in self.record.fields)

    def take(self, number: int, line: bytes, is_header: bool) -> None:
        if self.announced is not None:
            if len(self._peaks) <= self._limits.max_peaks_per_spectrum:
                self._peaks.extend((number, pair) for pair in _pairs(line))
            return
        count = _NUM_PEAKS.match(line)
        if count:
            self.announced = decode(count[1])
        if not is_header:
            return
        name, _, value = decode(line).partition(":")
        value = value.strip()
        put_field(self.record, name.strip(), value, self._limits)
        key = field_key(name)
        if key in ("retentiontime", "rt"):
            self.record.time_unit_s = _MINUTE_S  # MS-DIAL and mzmine write minutes
        elif key in ("comment", "comments"):
            for quoted, quoted_value, bare, bare_value in _COMMENT_PAIR.findall(value):
                if (quoted or bare) not in self.record.fields:  # MoNA writes half of its fields here
                    put_field(self.record, quoted or bare, quoted_value or bare_value, self._limits)

    def finish(self, at_end: bool = False) -> RawRecord:
        record = self.record
        if self.announced is None:
            record.fault = record.fault or unfinished(
                'The record has no "Num Peaks" line, so it has no peaks.'
            )
            return record
        put_peaks(record, self._in_pairs())
        count = len(record.mz)
        if at_end and not record.fault and self.announced.isdigit() and count < int(self.announced):
            record.fault = unfinished(
                f"The file ends after {count} of {self.announced} peaks of this record."
            )
        check_count(record, self.announced, "Num Peaks")
        return record

    def _in_pairs(self) -> PeakLines:
        """One peak per line. Splits lines with several peaks between blanks if the announced count agrees."""
        if not self._peaks or str(len(self._peaks)) == self.announced:
            return self._peaks
        if any(not _LONE_NUMBERS.match(line) for _, line in self._peaks):
            return self._peaks
        tokens = [(number, token) for number, line in self._peaks for token in line.split()]
        if str(len(tokens) / 2) != f"{self.announced}.0":
            return self._peaks
        return [
            (number, mz + b" " + intensity)
            for (number, mz), (_, intensity) in zip(tokens[::2], tokens[1::2], strict=True)
        ]


def _pairs(line: bytes) -> list[bytes]:
    """Split a line into "mz intensity" pieces."""
    if not _SEPARATORS.search(line):
        return [line]
    if b'"' in line:
        line = _QUOTED.sub(b"", line).strip()
    if b":" in line and _COLON_PAIRS.match(line):
        return [pair.replace(b":", b" ") for pair in re.split(rb"[\s,;]+", line) if pair]
    if b"(" in line or b")" in line:
        line = line.replace(b"(", b" ").replace(b")", b";").replace(b",", b" ")
    if b";" in line:
        return [pair for piece in line.split(b";") if (pair := piece.strip())]
    return [line] if line else []
