"""Keeps a set of processes running: it starts a process that ends again, after a growing delay.

It knows nothing about what the processes do.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from glmr_server.embedded.child import Child, ServiceFailed

_CHECKOUT = Path(__file__).resolve().parent.parent
_LONGEST_WAIT_S = 30.0
# A process that has run for this long has its earlier deaths forgotten.
_STEADY_S = 60.0


class Service(Protocol):
    """Something that can be started, watched and stopped. `start` returns when watching may begin."""

    name: str
    log: Path

    @property
    def alive(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class ServerProcess:
    """One of the server's own processes, run by `glmr_server.serve`."""

    def __init__(
        self,
        name: str,
        role: str,
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        listener: socket.socket | None = None,
        patience_s: float = 10.0,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", "glmr_server.serve", role]
        self._environment = dict(environment or {})
        self._listener = listener
        self._patience_s = patience_s
        self._child: Child | None = None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child else None

    def start(self) -> None:
        passed: tuple[int, ...] = ()
        if self._listener is not None:
            # The supervisor keeps the port while the process is away: nobody else can take it.
            passed = (self._listener.fileno(),)
            self._environment["GLMR_BIND"] = f"fd://{passed[0]}"
        self._child = Child(
            self.name,
            self._command,
            self.log,
            environment=self._environment,
            pass_fds=passed,
            folder=_CHECKOUT,
        )

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop(self._patience_s)

    def kill(self) -> None:
        """End it immediately, as the kernel does when memory runs out."""
        if self._child is not None:
            os.kill(self._child.process.pid, signal.SIGKILL)


@dataclass
class _Watched:
    service: Service
    deaths: int = 0
    started_at: float = 0.0
    start_at: float | None = None  # when it is due to be started again


class Supervisor:
    """Starts services in the order given and stops them in reverse."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._watched: list[_Watched] = []

    def start(self, service: Service) -> None:
        """Start the service and watch it from now on, even if its start fails."""
        self._watched.append(_Watched(service, started_at=self._clock()))
        service.start()

    def check(self) -> None:
        """Check each service once: start again what is due, and note what has ended."""
        now = self._clock()
        for watched in self._watched:
            if watched.start_at is not None:
                if now >= watched.start_at:
                    self._start_again(watched)
            elif not watched.service.alive:
                self._note_death(watched, now)
            elif now - watched.started_at > _STEADY_S:
                watched.deaths = 0

    def deaths(self, service: Service) -> int:
        """How often the service has ended recently."""
        return next((watched.deaths for watched in self._watched if watched.service is service), 0)

    def stop(self, first: Sequence[Service] = ()) -> None:
        """Stop the services in `first` at the same time, then the rest from the last started to the first."""
        rest = [watched.service for watched in reversed(self._watched) if watched.service not in first]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda service: service.stop(), first))
        for service in rest:
            service.stop()
        self._watched.clear()

    def _note_death(self, watched: _Watched, now: float) -> None:
        wait_s = min(_LONGEST_WAIT_S, 2.0**watched.deaths - 1)  # immediately, then after 1, 3, 7 … seconds
        watched.deaths += 1
        watched.start_at = now + wait_s
        when = "now" if wait_s == 0 else f"in {wait_s:.0f} s"
        self._say(
            f"{watched.service.name} ended unexpectedly; starting it again {when}. Log: {watched.service.log}"
        )

    def _start_again(self, watched: _Watched) -> None:
        watched.start_at = None
        watched.started_at = self._clock()
        try:
            watched.service.start()
        except ServiceFailed as problem:
            self._say(str(problem))
