"""Reads MSP libraries in the NIST and RIKEN (MS-DIAL) dialects, with the peaks in any common layout."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models_ml.spectra.formats.field_names import field_key, is_compared
from models_ml.spectra.formats.items import RawRecord
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

_LONGEST_NAME = 80
_NUM_PEAKS = re.compile(rb"^num[ _]?peaks\s*:\s*(\S*)", re.I)
_QUOTED = re.compile(rb'"[^"]*"?')
_COMMENT_PAIR = re.compile(r'(?:^|\s)(?:"([^"=]{1,80})=([^"]*)"|([^\s"=]{1,80})="([^"]*)")')
_LONE_NUMBERS = re.compile(rb"^[\d.eE+\-\s,;()]+$")
_SEPARATORS = re.compile(rb'[";:()]')
_DIGITS = b"0123456789"
_NUMBER = b"0123456789.,eE+-"
_MINUTE_S = 60.0


def read_msp(source: Source) -> Iterator[RawRecord]:
    entry: _Entry | None = None
    for number, line in source.lines():
        if not line:
            if entry is not None and entry.announced is not None:
                yield entry.finish()
                entry = None
            continue
        is_header = _is_header(line)
        previous: _Entry | None = None
        if entry is not None and is_header and entry.is_over(line):
            yield entry.finish()
            previous, entry = entry, None
        if entry is None:
            if not is_header:
                continue  # stray text between records
            entry = _Entry(source, number)
            if previous is not None and line[:7].upper() == b"MSTYPE:":
                entry.inherit(previous)
        entry.take(number, line, is_header)
    if entry is not None:
        yield entry.finish(at_end=True)


def _is_header(line: bytes) -> bool:
    """Whether a line is "NAME: value". "FA 18:0" and other names of lipids are not headers."""
    if not (line[:1].isalpha() or line[:1] == b"$"):
        return False
    name, colon, value = line[: _LONGEST_NAME + 2].partition(b":")
    if not colon or b"\t" in name:
        return False
    return not (value[:1].isdigit() and name[-1:].isdigit())


class _Entry:
    """One record, built line by line."""

    def __init__(self, source: Source, number: int) -> None:
        self.record = RawRecord(source.at(f"line {number}"))
        self._line = number
        self.announced: str | None = None  # the value of "Num Peaks"; None before that line
        self._limits = source.limits
        self._peaks: PeakLines = []

    def is_over(self, line: bytes) -> bool:
        """Whether a header line starts the next record: after peaks, or with a second name."""
        if self.announced is not None:
            return True
        return line[:5].upper() == b"NAME:" and any(name.upper() == "NAME" for name in self.record.fields)

    def inherit(self, previous: _Entry) -> None:
        """Take the fields of the compound: MS-DIAL writes them once, before the MS1 and the MS2 peaks."""
        fields = {
            name: value
            for name, value in previous.record.fields.items()
            if field_key(name) not in ("mstype", "numpeaks")
        }
        if is_too_much_to_share(fields):
            self.record.fault = TOO_MUCH_SHARED
            return
        self.record.fields = fields
        self.record.time_unit_s = previous.record.time_unit_s

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
        elif key == "mstype":  # a block with MS1 and MS2 peaks of one feature
            self.record.fields.setdefault("BLOCK", f"line {self._line}")
        elif key in ("comment", "comments"):
            for quoted, quoted_value, bare, bare_value in _COMMENT_PAIR.findall(value):
                self._put_of_comment(quoted or bare, quoted_value or bare_value)

    def _put_of_comment(self, name: str, value: str) -> None:
        """MoNA writes half of its fields into comments. A fact that a line states too is compared with it."""
        stated = self.record.fields.get(name)
        if stated is None or (is_compared(name) and stated != value):
            put_field(self.record, name, value, self._limits)

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
    colon_pairs = _colon_pairs(line) if b":" in line else []
    if colon_pairs:
        return colon_pairs
    if b"(" in line or b")" in line:
        line = _without_braces(line)
    if b";" in line:
        pieces = [pair for piece in line.split(b";") if (pair := piece.strip())]
        return pieces if not _is_annotated_peak(pieces) else [line]
    return [line] if line else []


def _colon_pairs(line: bytes) -> list[bytes]:
    """The pairs of "55.05:102 104.11:100" as "55.05 102"; empty if the line is not made of such pairs."""
    pairs: list[bytes] = []
    for token in line.replace(b";", b" ").split():
        pieces = [token] if token.count(b":") == 1 else [piece for piece in token.split(b",") if piece]
        for piece in pieces:
            mz, colon, intensity = piece.rstrip(b",").partition(b":")
            if not colon or not mz or not intensity or (mz + intensity).strip(_NUMBER):
                return []
            pairs.append(mz + b" " + intensity)
    return pairs


def _without_braces(line: bytes) -> bytes:
    """The pairs of "(55.05,102)(104.11,100)" as "55.05 102; 104.11 100;". Commas inside a number stay."""
    pieces = []
    for piece in line.replace(b"(", b";").replace(b")", b";").split(b";"):
        numbers = piece.split()
        if len(numbers) == 1 and numbers[0].count(b",") == 1:
            numbers = numbers[0].split(b",")  # a brace holds two numbers, so the comma separates them
        text = b" ".join(number.strip(b",") for number in numbers)
        if text:
            pieces.append(text)
    return b";".join(pieces)


def _is_annotated_peak(pieces: list[bytes]) -> bool:
    """Whether a line is one peak whose annotation has semicolons: "59.01 100 C3H7; 5 ppm"."""
    return (
        len(pieces) > 1
        and len(pieces[0].split()) > 2
        and all(not piece.split()[0].strip(_NUMBER) for piece in pieces[:1])
        and any(piece[:1].isalpha() for piece in pieces[1:])
    )
