"""Streams the bytes of a spectrum file: decompresses and counts them while they are read."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from models_ml.spectra.formats.items import LimitReached, ReadLimits
from models_ml.text_lines import LineTooLong, Readable, as_utf8, normalise_breaks, split_lines
from models_ml.unreadable import UnreadableFile

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 65_536
_BUFFER_BYTES = 262_144
# A record has at most ReadLimits.max_peaks_per_spectrum peaks, so a longer part without a record holds none.
# The limit ends the reading of small archives that hold gigabytes of blank lines.
_MAX_LINES_WITHOUT_RECORD = 500_000
DAMAGE = (EOFError, zlib.error, OSError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)


class Budget:
    """Limit of decompressed bytes of one file, all members together."""

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
    """A stream that ends where the compressed data is damaged. `broken` holds the reason."""

    def __init__(self, inner: Readable, budget: Budget, where: str) -> None:
        self._inner = inner
        self._budget = budget
        self._where = where
        self.broken = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the whole buffer if there are enough data: the format is detected from the first buffer."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        filled = 0
        while filled < len(view) and not self.broken:
            try:
                # read1 returns the data before the damage of a gz before it raises; read would lose them.
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
        self.stream = as_utf8(io.BufferedReader(self._counted, _BUFFER_BYTES))

        self._lines_since_record = 0

    def restart_line_count(self) -> None:
        """To be called after each record, see `lines`."""
        self._lines_since_record = 0

    @property
    def broken(self) -> str:
        """Why the data ended early; empty if they did not."""
        return self._counted.broken

    def at(self, position: str) -> str:
        """The position, with the member of the archive if there is one."""
        return f"{position} in member {self.member}" if self.member else position

    def head(self) -> bytes:
        """The first bytes with LF as line break, without consuming them. At most HEAD_BYTES."""
        head = self.stream.peek(HEAD_BYTES)[:HEAD_BYTES]
        return head if b"\0" in head else normalise_breaks(head)  # binary data have no lines

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Line number and stripped line. For line breaks and encodings see `text_lines`.

        Raises UnreadableFile after many lines in which no record ended.
        """
        try:
            for number, line in split_lines(self.stream, self.limits.max_line_length):
                self._lines_since_record += 1
                if self._lines_since_record > _MAX_LINES_WITHOUT_RECORD:
                    raise UnreadableFile(
                        f"No record ends within {_MAX_LINES_WITHOUT_RECORD:,} lines",
                        self.at(f"line {number}"),
                        "Check that the file holds spectra, without long parts of blank lines or other text.",
                    )
                yield number, line.strip()
        except LineTooLong as error:
            raise UnreadableFile(
                f"A line is longer than {error.limit:,} bytes",
                self.at(f"line {error.number}"),
                "Check that this is a text file with one peak on each line.",
            ) from error


def gunzip_if_needed(stream: Readable) -> Readable:
    """Decompress gzip data, detected by its first bytes."""
    buffered = io.BufferedReader(stream)  # type: ignore[type-var]
    try:
        magic = buffered.peek(2)[:2]
    except DAMAGE:
        return buffered  # reading fails again, and that is reported
    return gzip.GzipFile(fileobj=buffered) if magic == GZIP_MAGIC else buffered
