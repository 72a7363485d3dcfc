"""Streams the members of a zip or tar file one by one. Refuses encrypted members and large headers."""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

from models_ml.spectra.formats.items import LimitReached, ReadLimits
from models_ml.text_lines import Readable
from models_ml.unreadable import UnreadableFile

_TAR_MAGIC = b"ustar"
_TAR_MAGIC_OFFSET = 257
_MAX_TAR_HEADER_BYTES = 2**20
_MAX_EMPTY_READS = 3
_LONG_DIGITS = re.compile(rb"[0-9]{256}")
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    OSError,
    ValueError,
    NotImplementedError,
)

Member = tuple[str, Readable]


class BrokenArchive(Exception):
    """The archive ends early or is damaged. Members before the damage were read."""


def archive_kind(head: bytes) -> str:
    """ "zip", "tar", or "" for anything else, from the first bytes."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    return "tar" if head[_TAR_MAGIC_OFFSET : _TAR_MAGIC_OFFSET + 5] == _TAR_MAGIC else ""


def members(kind: str, stream: IO[bytes], limits: ReadLimits) -> Iterator[Member]:
    """Name and stream of each member that is a regular file. The next member ends the stream of the last."""
    opened = _zip_members(stream) if kind == "zip" else _tar_members(stream)
    count = 0
    try:
        for name, inner in opened:
            count += 1
            if count > limits.max_members:
                raise LimitReached(f"The archive holds more than {limits.max_members:,} files", name,
                                   "Split it into smaller archives.")  # fmt: skip
            if not _is_system_file(name):
                yield name, inner
    except _BROKEN as error:
        raise BrokenArchive(str(error) or type(error).__name__) from None


def _is_system_file(name: str) -> bool:
    """Files that operating systems add to archives."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _zip_members(stream: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & 0x1:
                raise UnreadableFile("The zip archive is encrypted", f"member {info.filename[:200]}",
                                     "Pack it again without a password.")  # fmt: skip
            with archive.open(info) as inner:
                yield info.filename[:200], cast(Readable, inner)


class _BoundedTarInfo(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _BoundedTarInfo:
        """Limits long-name headers, because tarfile reads each into memory as a whole."""
        info = super().frombuf(buf, encoding, errors)
        is_header = info.type in (
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        )
        if is_header and info.size > _MAX_TAR_HEADER_BYTES:
            raise UnreadableFile("The tar archive has an oversized header", f"member {info.name[:200]}",
                                 "Pack it again.")  # fmt: skip
        return info

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Refuses long runs of digits, for which a pattern of tarfile takes quadratic time."""
        stream: Any = archive.fileobj
        data = stream.read(self._block(self.size))  # type: ignore[attr-defined]
        if _LONG_DIGITS.search(data):
            raise UnreadableFile("The tar archive has a damaged header", f"member {self.name[:200]}",
                                 "Pack it again.")  # fmt: skip
        archive.fileobj = cast(Any, _Replayed(stream, data))
        try:
            return cast(tarfile.TarInfo, super()._proc_pax(archive))  # type: ignore[misc]
        finally:
            archive.fileobj = stream


class _Replayed:
    """A stream from which some bytes were read already. They are read once more."""

    def __init__(self, stream: Any, data: bytes) -> None:
        self._stream = stream
        self._data = data

    def read(self, size: int) -> bytes:
        data, self._data = self._data, b""
        return data or bytes(self._stream.read(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _EndingStream:
    """Raises EOFError when more is read after the end. tarfile would loop over all announced bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._empty_reads = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._empty_reads = 0 if data else self._empty_reads + 1
        if self._empty_reads > _MAX_EMPTY_READS:
            raise EOFError("a member is announced as larger than the archive")
        return data


def _tar_members(stream: IO[bytes]) -> Iterator[Member]:
    source = cast(IO[bytes], _EndingStream(stream))
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_BoundedTarInfo) as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # else tarfile keeps every header
            if info.issparse():  # its holes can be of any size
                raise UnreadableFile("The tar archive has a sparse member", f"member {info.name[:200]}",
                                     "Pack it again without --sparse.")  # fmt: skip
            inner = archive.extractfile(info) if info.isreg() else None
            if inner is not None:
                yield info.name[:200], cast(Readable, inner)
