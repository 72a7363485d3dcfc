"""Lines of text files, for spectra and structures alike: line breaks, encodings, byte order marks.

Line breaks are LF, CRLF and CR (old Mac), also mixed in one file. Each line is decoded by itself, because
files are often joined from parts with different encodings.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Protocol

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK_BYTES = 262_144
# Two CR before an LF are one break: such files come from converting the line ends twice. The number is
# bounded, because "\r+\n" takes quadratic time on a file of CR.
_BREAKS = re.compile(rb"\r{1,2}\n|\r")


class Readable(Protocol):
    def read1(self, size: int = -1, /) -> bytes: ...


class LineTooLong(Exception):
    """A line exceeds the limit."""

    def __init__(self, number: int, limit: int) -> None:
        super().__init__(f"Line {number:,} is longer than {limit:,} bytes.")
        self.number = number
        self.limit = limit


def split_lines(stream: Readable, max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Line number from 1 and the bytes without line break, byte order mark and NUL bytes.

    Needs memory for one chunk and one line. Raises LineTooLong, and what the stream raises. Lines before an
    error are returned first.
    """
    number = length = 0
    rest: list[bytes] = []  # parts of the unfinished line
    held_back = b""  # CR at the end of a chunk: an LF may follow
    while chunk := stream.read1(_CHUNK_BYTES):
        chunk = held_back + chunk
        n_held = 0 if not chunk.endswith(b"\r") else 2 if chunk.endswith(b"\r\r") else 1
        body, held_back = chunk[: len(chunk) - n_held], chunk[len(chunk) - n_held :]
        *complete, last = normalise_breaks(body).split(b"\n")
        if complete:
            number += 1
            yield number, _cleaned(b"".join((*rest, complete[0])), number, max_bytes)
            rest, length = [], 0
        # One search in the chunk costs less than one in each line.
        is_clean = len(body) <= max_bytes and b"\0" not in body and codecs.BOM_UTF8 not in body
        for line in complete[1:]:
            number += 1
            yield number, line if is_clean else _cleaned(line, number, max_bytes)
        if last:
            rest.append(last)
            length += len(last)
            if length > max_bytes:
                raise LineTooLong(number + 1, max_bytes)
    *complete, last = normalise_breaks(b"".join((*rest, held_back))).split(b"\n")
    for line in (*complete, last) if last else complete:
        number += 1
        yield number, _cleaned(line, number, max_bytes)


def normalise_breaks(data: bytes) -> bytes:
    """The data with LF as the only line break."""
    return _BREAKS.sub(b"\n", data) if b"\r" in data else data


def decode(line: bytes) -> str:
    """One line as UTF-8, else as Windows-1252, else as Latin-1. Never fails and never loses a letter."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:  # five bytes have no letter in Windows-1252
        return line.decode("latin-1")


def utf16_encoding(head: bytes) -> str:
    """The codec of text in UTF-16, with or without a byte order mark; "" for other data."""
    if head.startswith(UTF16_MARKS):
        return "utf-16"
    if len(head) < 4 or head[0] == head[1]:
        return ""
    zero = [byte == 0 for byte in head[:4]]
    if zero == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zero == [True, False, True, False] else ""


def as_utf8(stream: io.BufferedReader) -> io.BufferedReader:
    """The stream, converted if it is text in UTF-16. XML in UTF-16 states its encoding and stays."""
    head = stream.peek(4)[:4]
    encoding = utf16_encoding(head)
    if not encoding or b"<" in head:
        return stream
    return io.BufferedReader(_Utf16AsUtf8(stream, encoding), _CHUNK_BYTES)


class _Utf16AsUtf8(io.RawIOBase):
    """UTF-16, converted to UTF-8 while it is read."""

    def __init__(self, stream: Readable, encoding: str) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            data = self._stream.read1(_CHUNK_BYTES)
            self._ended = not data
            self._ready = self._decoder.decode(data, final=self._ended).encode("utf-8", "replace")
        taken, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _cleaned(line: bytes, number: int, max_bytes: int) -> bytes:
    if len(line) > max_bytes:
        raise LineTooLong(number, max_bytes)
    line = line.removeprefix(codecs.BOM_UTF8)  # files with marks are joined, so it can be on any line
    return line.replace(b"\0", b"") if b"\0" in line else line
