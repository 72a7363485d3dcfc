"""The process of a `ForkServer`: it forks a child for each message, and reports how each child ended.

It has one thread, so that forking is safe. It ends, with all its children, when the server's owner ends.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
from collections.abc import Sequence

from models_ml.isolation.fork_server import EXIT_STATUS
from models_ml.isolation.serve import serve

_PR_SET_PDEATHSIG = 1
_DESCRIPTORS = 3
_NICENESS = 5  # pages and other requests come first while a large file is read


def main(control_fd: int, preload: Sequence[str]) -> None:
    """Serve until the other end of the control socket closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # The owner handles these, and its end is the end of this process.
        signal.signal(number, signal.SIG_IGN)
    for name in preload:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else the collector of each child would copy the pages of all objects
    _Loop(socket.socket(fileno=control_fd)).run()


class _Loop:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, socket.socket] = {}  # the status socket of each child
        self._wakeup, self._wakeup_writing = os.pipe()
        for descriptor in (self._wakeup, self._wakeup_writing):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wakeup_writing, warn_on_full_buffer=False)

    def run(self) -> None:
        while True:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            poll.register(self._wakeup, select.POLLIN)
            pids = {status.fileno(): pid for pid, status in self._children.items()}
            for descriptor in pids:
                poll.register(descriptor, 0)  # only the end of the other side
            for descriptor, _ in poll.poll():
                if descriptor == self._control.fileno():
                    if not self._accept():
                        self._end()
                        return
                elif descriptor == self._wakeup:
                    os.read(self._wakeup, 4096)
                else:
                    self._kill(pids[descriptor])
            self._collect()

    def _accept(self) -> bool:
        """Fork for the next message. False if the owner is gone."""
        size = array.array("i").itemsize
        try:
            data, ancillary, _, _ = self._control.recvmsg(16, socket.CMSG_LEN(_DESCRIPTORS * size))
        except ConnectionResetError:
            return False
        if not data:
            return False
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content[: len(content) - len(content) % size])
        if len(descriptors) == _DESCRIPTORS:
            self._fork(*descriptors)
        return True

    def _fork(self, channel_fd: int, status_fd: int, stderr_fd: int) -> None:
        status = socket.socket(fileno=status_fd)
        try:
            pid = os.fork()
        except OSError:  # no memory or too many processes: the caller sees the end of the channel
            pid = -1
        if pid == 0:
            try:
                status.close()
                self._become_child(channel_fd, stderr_fd)
            finally:
                os._exit(1)
        os.close(channel_fd)
        os.close(stderr_fd)
        if pid > 0:
            self._children[pid] = status
        else:
            status.close()

    def _become_child(self, channel_fd: int, stderr_fd: int) -> None:
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._control.close()
        os.close(self._wakeup)
        os.close(self._wakeup_writing)
        for status in self._children.values():
            status.close()
        os.dup2(stderr_fd, 1)
        os.dup2(stderr_fd, 2)
        os.close(stderr_fd)
        if os.getppid() != parent:
            return  # the server died before prctl
        os.nice(_NICENESS)
        channel = socket.socket(fileno=channel_fd)
        with channel.makefile("rb") as requests, channel.makefile("wb") as stream:
            serve(requests, stream)
        os._exit(0)

    def _kill(self, pid: int) -> None:
        """Kill a child whose status nobody waits for. It is not reaped yet, so the number is its own."""
        status = self._children.pop(pid, None)
        if status is not None:
            status.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _collect(self) -> None:
        """Report the exit status of each child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            waiting = self._children.pop(pid, None)
            if waiting is not None:
                with contextlib.suppress(OSError):
                    waiting.sendall(EXIT_STATUS.pack(os.waitstatus_to_exitcode(status)))
                waiting.close()

    def _end(self) -> None:
        for pid in list(self._children):
            self._kill(pid)
