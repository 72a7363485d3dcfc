"""The directory that holds everything stored. Only one supervisor at a time may hold it.

Two servers on one directory would destroy each other's files, so the second one is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import IO

from glmr_server.embedded.addresses import socket_directory


class DirectoryHeld(Exception):
    """Another process holds the data directory."""


class DirectoryUnusable(Exception):
    """The data directory cannot be written, or its socket directory belongs to another user."""


class DataDirectory:
    """A data directory under an exclusive lock. The kernel releases the lock when the holder ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.sockets = socket_directory(path)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)  # also where somebody made it before, open to others
            self._lock: IO[str] = (self.path / "lock").open("a+")
        except OSError as problem:
            raise DirectoryUnusable(
                f"The data directory {self.path} cannot be used: {problem.strerror}. "
                "Set GLMR_DATA_DIR to a directory that you may write to."
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            raise DirectoryHeld(_held_message(self.path, holder)) from None
        self.announce("")
        _make_private(self.sockets)

    def announce(self, address: str) -> None:
        """Store the process id and the address, for the message that a second server shows."""
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(json.dumps({"pid": os.getpid(), "address": address}))
        self._lock.flush()

    def release(self) -> None:
        self._lock.close()

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _held_message(path: Path, holder: str) -> str:
    try:
        known = json.loads(holder)
        holding = f"process {known['pid']}" + (f", serving {known['address']}" if known["address"] else "")
    except (ValueError, KeyError, TypeError):
        holding = "another process"
    return (
        f"The data directory {path} is in use by {holding}. Use that server, stop it first, "
        "or start a second server with another directory in GLMR_DATA_DIR."
    )


def _make_private(directory: Path) -> None:
    """The sockets accept everyone who can reach them, so the directory must be closed to other users."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or (status.st_uid != os.geteuid() and os.geteuid() != 0):
        raise DirectoryUnusable(
            f"The socket directory {directory} belongs to another user. "
            "Remove it, or choose a shorter path with GLMR_DATA_DIR so that it is not needed."
        )
    directory.chmod(0o700)
