"""Bytes of a spectrum file: opened, decompressed and counted as they are read, never held whole."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Protocol

from models_ml.spectra.formats.items import LimitReached, ReadLimits, UnreadableFile

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 65_536
_BUFFER_BYTES = 262_144
DAMAGE = (EOFError, zlib.error, OSError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)


class Readable(Protocol):
    def read1(self, size: int = -1, /) -> bytes: ...


class Budget:
    """Decompressed bytes that may still be read from one file, all members together."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used = 0

    def spend(self, number: int, where: str) -> None:
        self.used += number
        if self.used > self.max_bytes:
            raise LimitReached(
                f"The file holds more than {self.max_bytes:,} bytes once decompressed",
                where,
                "Split it into smaller files, or ask the administrator to raise the limit.",
            )


class _Counted(io.RawIOBase):
    """A stream that ends where the compressed data breaks, and remembers that it broke."""

    def __init__(self, inner: Readable, budget: Budget, where: str) -> None:
        self._inner = inner
        self._budget = budget
        self._where = where
        self.broken = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the whole buffer where the data allows: what a file is gets told from the first filling."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        filled = 0
        while filled < len(view) and not self.broken:
            try:
                # read1 gives what a damaged gz still holds before it raises; read would lose it.
                data = self._inner.read1(len(view) - filled)
            except DAMAGE as error:
                self.broken = str(error) or type(error).__name__
                break
            if not data:
                break
            self._budget.spend(len(data), self._where)
            view[filled : filled + len(data)] = data
            filled += len(data)
        return filled


class Source:
    """One text, XML or JSON document inside a file or an archive member."""

    def __init__(self, inner: Readable, *, budget: Budget, limits: ReadLimits, member: str = "") -> None:
        self.limits = limits
        self.member = member
        self._counted = _Counted(inner, budget, f"member {member}" if member else "")
        self.stream = io.BufferedReader(self._counted, _BUFFER_BYTES)

    @property
    def broken(self) -> str:
        """Why the data ended early; empty while all is well."""
        return self._counted.broken

    def at(self, position: str) -> str:
        return f"{position} in member {self.member}" if self.member else position

    def head(self) -> bytes:
        """The first bytes, without consuming them; may be shorter than HEAD_BYTES."""
        return self.stream.peek(HEAD_BYTES)[:HEAD_BYTES]

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Line number and stripped line; CRLF, bare CR-less and a UTF-8 byte order mark are all taken."""
        limit = self.limits.max_line_length
        number = 0
        while line := self.stream.readline(limit + 1):
            number += 1
            if len(line) > limit:
                raise UnreadableFile(
                    f"A line is longer than {limit:,} bytes",
                    self.at(f"line {number}"),
                    "Check that this is a text file with one peak per line.",
                )
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            yield number, line.strip()


def gunzip_if_needed(stream: Readable) -> Readable:
    """Decompress by magic bytes, whatever the name says."""
    buffered = io.BufferedReader(stream)  # type: ignore[type-var]
    try:
        magic = buffered.peek(2)[:2]
    except DAMAGE:
        return buffered  # fails again where it is read, and is said there
    return gzip.GzipFile(fileobj=buffered) if magic == GZIP_MAGIC else buffered


def decode(line: bytes) -> str:
    """UTF-8, or Latin-1 where it is not: old vendor exports write µ and ° in one byte."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
