"""Opens a structure file as bounded lines of text: gzip and encoding by content. Refuses what is no text."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from models_ml.molecules.readers.rows import StructureFileLimits
from models_ml.unreadable import UnreadableFile

_SNIFFED_BYTES = 65_536
_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PK\x03\x04": ("It is a zip archive or a spreadsheet.", "Unpack it, or save the sheet as CSV."),
    b"%PDF": ("It is a PDF.", "Export the structures as SDF, CSV or SMILES."),
    b"\x42\x5a\x68": ("It is compressed with bzip2.", "Unpack it, or compress it with gzip."),
    b"\xfd7zXZ": ("It is compressed with xz.", "Unpack it, or compress it with gzip."),
    b"\xd0\xcf\x11\xe0": ("It is an old Office file.", "Save the sheet as CSV."),
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, and its number from 1."""

    number: int
    text: str


def read_head(path: Path) -> str:
    """The first 64 kB as text, to tell the format by. Raises UnreadableFile."""
    try:
        with _open_bytes(path) as stream:
            head = stream.read(_SNIFFED_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path.name, 0) from error
    except OSError as error:
        raise UnreadableFile(
            f"It cannot be opened ({error.strerror}).", path.name, "Upload it again."
        ) from error
    if not head.strip():
        raise UnreadableFile("The file is empty.", path.name, "Upload a file with at least one structure.")
    for magic, (what, remedy) in _FOREIGN.items():
        if head.startswith(magic):
            raise UnreadableFile(what, path.name, remedy)
    if b"\0" in head and not head.startswith(_UTF16):
        raise UnreadableFile(
            "It is a binary file.",
            path.name,
            "Structures are read from SMILES, CSV, TSV or SDF, plain or gzipped.",
        )
    return head.decode(_encoding(head), errors="replace")


def read_lines(path: Path, limits: StructureFileLimits) -> Iterator[Line]:
    """Lines one at a time. A damaged or oversized file raises UnreadableFile at the place where it breaks."""
    number = 0
    try:
        with _open_bytes(path) as opened:
            head = opened.read(_SNIFFED_BYTES)
        with _open_bytes(path) as opened:
            bounded = _Bounded(opened, limits.max_decompressed_bytes, path.name)
            buffered = io.BufferedReader(bounded, _SNIFFED_BYTES)
            text = io.TextIOWrapper(buffered, encoding=_encoding(head), errors="replace")
            while line := text.readline(limits.max_line_length + 1):
                number += 1
                if len(line) > limits.max_line_length:
                    raise UnreadableFile(
                        f"A line is longer than {limits.max_line_length:,} characters.",
                        f"{path.name}, line {number}",
                        "Write one structure a line.",
                    )
                yield Line(number, line.rstrip("\r\n").replace("\0", ""))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path.name, number) from error


def _open_bytes(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        compressed = stream.read(2) == _GZIP
    return cast(IO[bytes], gzip.open(path, "rb")) if compressed else path.open("rb")


def _encoding(head: bytes) -> str:
    """UTF-8 unless the file says or shows otherwise: UTF-16 by its mark, else Windows' Western code page."""
    if head.startswith(_UTF16):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the head may end inside a letter
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _damaged(name: str, number: int) -> UnreadableFile:
    return UnreadableFile(
        "The compressed file is damaged or cut off.",
        f"{name}, after line {number:,}" if number else name,
        "Compress it again and upload it again.",
    )


class _Bounded(io.RawIOBase):
    """A byte stream that refuses to give more than so many bytes, however small the file that makes them."""

    def __init__(self, stream: IO[bytes], max_bytes: int, name: str) -> None:
        super().__init__()
        self._stream, self._left, self._max_bytes, self._name = stream, max_bytes, max_bytes, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(min(len(buffer), _SNIFFED_BYTES))
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableFile(
                f"It holds more than {self._max_bytes:,} bytes once unpacked.",
                self._name,
                "Split it into parts.",
            )
        buffer[: len(data)] = data
        return len(data)
