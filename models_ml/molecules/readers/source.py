"""Opens a structure file as text lines of limited length. Detects gzip by content. See `text_lines`."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from models_ml.molecules.readers.rows import StructureFileLimits
from models_ml.text_lines import LineTooLong, as_utf8, decode, split_lines, utf16_encoding
from models_ml.unreadable import UnreadableFile

_SNIFFED_BYTES = 65_536
_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PK\x03\x04": ("The file is a zip archive or a spreadsheet", "Unpack it, or save the sheet as CSV."),
    b"%PDF": ("The file is a PDF document", "Export the structures as SDF, CSV or SMILES."),
    b"\x42\x5a\x68": ("The file is compressed with bzip2", "Unpack it, or compress it with gzip."),
    b"\xfd7zXZ": ("The file is compressed with xz", "Unpack it, or compress it with gzip."),
    b"\xd0\xcf\x11\xe0": ("The file is an old Office document", "Save the sheet as CSV."),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its line break, and its number from 1."""

    number: int
    text: str


def read_head(path: Path) -> tuple[list[str], bool]:
    """The lines of the first 64 kB, and whether these are the whole file. Raises UnreadableFile."""
    try:
        with _open_bytes(path) as stream:
            head = stream.read(_SNIFFED_BYTES)
            is_whole = len(head) < _SNIFFED_BYTES
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path.name, 0) from error
    except OSError as error:
        raise UnreadableFile(
            f"The file cannot be opened ({error.strerror})", path.name, "Upload it again."
        ) from error
    if not head.strip():
        raise UnreadableFile("The file is empty", path.name, "Upload a file with at least one structure.")
    for magic, (what, remedy) in _FOREIGN.items():
        if head.startswith(magic):
            raise UnreadableFile(what, path.name, remedy)
    if b"\0" in head.rstrip(b"\0") and not utf16_encoding(head):
        raise UnreadableFile(
            "The file is binary",
            path.name,
            "Structures are read from SMILES, CSV, TSV or SDF, plain or gzipped.",
        )
    if utf16_encoding(head):
        head = as_utf8(io.BufferedReader(io.BytesIO(head))).read()
    return [decode(line) for _, line in split_lines(io.BytesIO(head), len(head))], is_whole


def read_lines(path: Path, limits: StructureFileLimits) -> Iterator[Line]:
    """Lines one at a time. Raises UnreadableFile at the line where the file is damaged or too large."""
    number = 0
    try:
        with _open_bytes(path) as opened:
            bounded = _Bounded(opened, limits.max_decompressed_bytes, path.name)
            stream = as_utf8(io.BufferedReader(bounded, _SNIFFED_BYTES))
            for number, line in split_lines(stream, limits.max_line_length):
                yield Line(number, decode(line))
    except LineTooLong as error:
        raise UnreadableFile(
            f"A line is longer than {error.limit:,} bytes",
            f"{path.name}, line {error.number}",
            "Write one structure on each line.",
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path.name, number) from error


def _open_bytes(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        compressed = stream.read(2) == _GZIP
    return cast(IO[bytes], gzip.open(path, "rb")) if compressed else path.open("rb")


def _damaged(name: str, number: int) -> UnreadableFile:
    return UnreadableFile(
        "The compressed file is damaged or cut off",
        f"{name}, after line {number:,}" if number else name,
        "Compress it again and upload it again.",
    )


class _Bounded(io.RawIOBase):
    """A byte stream that raises UnreadableFile beyond `max_bytes`, against decompression bombs."""

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
                f"The file holds more than {self._max_bytes:,} bytes once decompressed",
                self._name,
                "Split it into smaller files.",
            )
        buffer[: len(data)] = data
        return len(data)
