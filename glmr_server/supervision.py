"""Keeps a set of processes running: what dies is started again, ever more slowly, and it is said.

Knows nothing of what the processes do.
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
# Up for this long, and earlier deaths are forgotten.
_STEADY_S = 60.0


class Service(Protocol):
    """Something that can be started, watched and stopped. `start` returns when it is worth watching."""

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
        """End it at once, as the kernel would when memory runs out."""
        if self._child is not None:
            os.kill(self._child.process.pid, signal.SIGKILL)


@dataclass
class _Tended:
    service: Service
    deaths: int = 0
    started_at: float = 0.0
    start_at: float | None = None  # when it is due to be started again


class Supervisor:
    """Starts services in the order given and stops them in reverse."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._tended: list[_Tended] = []

    def start(self, service: Service) -> None:
        """Start it and answer for it from now on, even if starting fails half way."""
        self._tended.append(_Tended(service, started_at=self._clock()))
        service.start()

    def tend(self) -> None:
        """Look at each service once: start again what is due, note what has died."""
        now = self._clock()
        for tended in self._tended:
            if tended.start_at is not None:
                if now >= tended.start_at:
                    self._start_again(tended)
            elif not tended.service.alive:
                self._note_death(tended, now)
            elif now - tended.started_at > _STEADY_S:
                tended.deaths = 0

    def deaths(self, service: Service) -> int:
        """How often it has died lately."""
        return next((tended.deaths for tended in self._tended if tended.service is service), 0)

    def stop(self, first: Sequence[Service] = ()) -> None:
        """Stop everything: those named side by side, then the rest from the last started to the first."""
        rest = [tended.service for tended in reversed(self._tended) if tended.service not in first]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda service: service.stop(), first))
        for service in rest:
            service.stop()
        self._tended.clear()

    def _note_death(self, tended: _Tended, now: float) -> None:
        wait_s = min(_LONGEST_WAIT_S, 2.0**tended.deaths - 1)  # at once, then 1, 3, 7 … seconds
        tended.deaths += 1
        tended.start_at = now + wait_s
        when = "now" if wait_s == 0 else f"in {wait_s:.0f} s"
        self._say(
            f"{tended.service.name} ended unexpectedly; starting it again {when}. Log: {tended.service.log}"
        )

    def _start_again(self, tended: _Tended) -> None:
        tended.start_at = None
        tended.started_at = self._clock()
        try:
            tended.service.start()
        except ServiceFailed as problem:
            self._say(str(problem))
