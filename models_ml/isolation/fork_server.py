"""A warm process that forks a child for each request. It has imported the libraries and never reads a file.

Each request gets a fresh fork: nothing of one file can reach the next, the limits are final, and the memory
of a child is given back when it ends.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import IO

from models_ml.isolation.errors import IsolationError
from models_ml.isolation.spawned import environment

EXIT_STATUS = struct.Struct("!i")
_STATUS_WAIT_S = 5.0


class ForkServer:
    """Starts with the first request, or with `start`, and again if it died. Ends with this process.

    Safe to share between threads. ``preload`` names the modules that the functions of all requests need.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = tuple(preload)
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # the process that may use the socket; a fork of it starts its own server

    def start(self) -> None:
        """Start the process if it does not run, without waiting for its imports."""
        with self._lock:
            self._running()

    def fork(self, request: bytes) -> Forked:
        """A child that runs the pickled request. Raises IsolationError if the server cannot start."""
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        ours, theirs = socket.socketpair()
        status, status_theirs = socket.socketpair()
        try:
            with theirs, status_theirs:
                self._send([theirs.fileno(), status_theirs.fileno(), stderr.fileno()])
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the first frame tells why
                ours.sendall(request)
                ours.shutdown(socket.SHUT_WR)
        except BaseException:
            ours.close()
            status.close()
            stderr.close()
            raise
        return Forked(ours, status, stderr)

    def close(self) -> None:
        """End the process and the children that still run."""
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None
            if self._process is not None and self._owner == os.getpid():
                self._process.wait(_STATUS_WAIT_S)

    def _send(self, descriptors: list[int]) -> None:
        content = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        with self._lock:
            for _ in range(2):
                try:
                    self._running().sendmsg([b"f"], content)
                    return
                except (BrokenPipeError, ConnectionResetError):  # it died; start another
                    self._control = None
        raise IsolationError("crash", "The reading process cannot be started.")

    def _running(self) -> socket.socket:
        if self._control is not None and self._owner == os.getpid():
            return self._control
        if self._process is not None and self._owner == os.getpid():
            self._process.poll()  # collects the dead one
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = (
                f"from models_ml.isolation.fork_loop import main; main({theirs.fileno()}, {self._preload})"
            )
            self._process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
            )
        self._control, self._owner = control, os.getpid()
        return control


class Forked:
    """A fork of the server that runs one request. See `child.Process`."""

    def __init__(self, channel: socket.socket, status: socket.socket, stderr: IO[bytes]) -> None:
        self.stderr = stderr
        self.frames = channel.fileno()
        self._channel = channel
        self._status = status

    def wait(self) -> int | None:
        self._status.settimeout(_STATUS_WAIT_S)
        try:
            data = self._status.recv(EXIT_STATUS.size)
        except OSError:
            return None
        return int(EXIT_STATUS.unpack(data)[0]) if len(data) == EXIT_STATUS.size else None

    def kill(self) -> None:
        self._status.close()  # the server kills a child whose status nobody waits for
        self._channel.close()
