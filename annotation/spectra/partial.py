"""Uploads that arrive in parts and can be resumed. A part is appended as it streams in: memory is bounded.

The length of the file on disk is the only state, so a lost answer or a restart of the server loses no byte.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db.models import Sum

from annotation.accounts.models import Project
from annotation.plain_text import clean
from annotation.spectra.ingest import store_upload
from annotation.spectra.models import PartialUpload, Upload
from annotation.spectra.quantification import pair_tables

READ_AT_ONCE = 2**18
# Of all unfinished uploads of one person together, in uploads of the largest size.
MAX_UNFINISHED = 4
CLEARED_AT_ONCE = 100


class CannotStore(Exception):
    """The part or the upload is refused. The message is for the person who sent it."""


class WrongOffset(Exception):
    """The part does not begin where the stored bytes end. `offset` says where to continue."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The server has {offset:,} bytes. Continue there.")
        self.offset = offset


class PartGone(Exception):
    """Another request has used or removed the file meanwhile."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def begin(project: Project | None, user: User, file_name: str, size_bytes: int) -> PartialUpload:
    """A new upload without bytes. Removes abandoned ones first. Raises CannotStore.

    Without a project it cannot become spectra, only the file of a library that all projects share.
    """
    clear_abandoned()
    limit = settings.GLMR_MAX_UPLOAD_BYTES
    if not 0 <= size_bytes <= limit:
        raise CannotStore(
            f"The file has {size_bytes:,} bytes and the limit is {limit:,}. Split it, or compress it as gzip."
        )
    announced = PartialUpload.objects.filter(user=user).aggregate(n=Sum("size_bytes"))["n"] or 0
    if announced + size_bytes > MAX_UNFINISHED * limit:
        raise CannotStore("You have too many unfinished uploads. Finish or remove some of them first.")
    partial = PartialUpload.objects.create(
        project=project, user=user, file_name=clean(file_name, 255) or "unnamed", size_bytes=size_bytes
    )
    path = _path(partial)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return partial


def offset(partial: PartialUpload) -> int:
    """How many bytes have arrived. Raises PartGone."""
    with _present():
        return _path(partial).stat().st_size


def append(partial: PartialUpload, at: int, stream: Readable) -> int:
    """Append the bytes of the stream and return the new offset. Raises WrongOffset, CannotStore or PartGone.

    If the stream breaks, the bytes before the break stay.
    """
    with _locked(partial) as file:
        end = file.seek(0, os.SEEK_END)
        if at != end:
            raise WrongOffset(end)
        while chunk := stream.read(READ_AT_ONCE):
            if end + len(chunk) > partial.size_bytes:
                raise CannotStore(
                    f"The file was announced with {partial.size_bytes:,} bytes, and more arrived. It changed "
                    "while it was sent. Choose it again."
                )
            file.write(chunk)
            end += len(chunk)
    return end


def finish(parts: Sequence[PartialUpload]) -> list[tuple[PartialUpload, Upload]]:
    """Read complete files as uploads and remove their parts. Raises WrongOffset if bytes are missing.

    A quantification table among them belongs to its spectra file and does not become an upload.
    """
    for partial in parts:
        if (end := offset(partial)) != partial.size_bytes:
            raise WrongOffset(end)
    stored = []
    with ExitStack() as stack:
        files = [File(stack.enter_context(_path(partial).open("rb")), partial.file_name) for partial in parts]
        owners = {id(file): partial for file, partial in zip(files, parts, strict=True)}
        for file, table in pair_tables(files):
            partial = owners[id(file)]
            assert partial.project is not None  # the caller selects those of a project
            upload = store_upload(partial.project, partial.user, file, partial.file_name, quantities=table)
            stored.append((partial, upload))
    for partial in parts:
        discard(partial)
    return stored


def move(partial: PartialUpload, target: Path) -> int:
    """Give the complete file away, and return its bytes. Raises WrongOffset if some lack, or PartGone."""
    if (end := offset(partial)) != partial.size_bytes:
        raise WrongOffset(end)
    with _present():
        _path(partial).replace(target)
    partial.delete()
    return end


def discard(partial: PartialUpload) -> None:
    _path(partial).unlink(missing_ok=True)
    partial.delete()


def clear_abandoned() -> None:
    for partial in PartialUpload.objects.abandoned()[:CLEARED_AT_ONCE]:
        discard(partial)


@contextmanager
def _locked(partial: PartialUpload) -> Iterator[BinaryIO]:
    """The stored file for one writer. A browser that gave up a request sends the part again at once."""
    with _present():
        opened = _path(partial).open("r+b")
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WrongOffset(offset(partial)) from None
        yield file


@contextmanager
def _present() -> Iterator[None]:
    """The file of a part goes before its row, so a request can find the row alone."""
    try:
        yield
    except FileNotFoundError:
        raise PartGone from None


def _path(partial: PartialUpload) -> Path:
    return Path(settings.MEDIA_ROOT) / "partial" / partial.public_id.hex
