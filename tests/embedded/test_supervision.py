"""A process that ends is started again, after a growing delay, with a message."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from glmr_server.embedded.child import ServiceFailed
from glmr_server.supervision import Supervisor


class Fragile:
    """A service that runs until the test ends it."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self.log = Path("fragile.log")
        self.alive = False
        self.can_start = True
        self._journal = journal

    def start(self) -> None:
        if not self.can_start:
            raise ServiceFailed(f"{self.name} cannot start")
        self._journal.append(f"start {self.name}")
        self.alive = True

    def stop(self) -> None:
        self._journal.append(f"stop {self.name}")
        self.alive = False


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def journal() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str], clock: Clock) -> Supervisor:
    return Supervisor(said.append, clock)


def test_delay_between_restarts_grows(
    supervisor: Supervisor, clock: Clock, said: list[str], journal: list[str]
) -> None:
    web = Fragile("Web", journal)
    supervisor.start(web)
    starts = []
    for tick in range(400):
        clock.now = tick / 4
        before = len(journal)
        supervisor.check()
        if len(journal) > before:
            starts.append(clock.now)
        web.alive = False
    waits = [round(later - earlier) for earlier, later in pairwise(starts)]
    assert waits[:4] == [1, 3, 7, 15]
    assert max(waits) <= 31
    assert "fragile.log" in said[0]


def test_earlier_deaths_are_forgotten_after_a_steady_minute(
    supervisor: Supervisor, clock: Clock, journal: list[str]
) -> None:
    web = Fragile("Web", journal)
    supervisor.start(web)
    web.alive = False
    supervisor.check()
    supervisor.check()
    assert supervisor.deaths(web) == 1
    clock.now = 61.0
    supervisor.check()
    assert supervisor.deaths(web) == 0


def test_failed_restart_is_reported_and_repeated(
    supervisor: Supervisor, clock: Clock, said: list[str], journal: list[str]
) -> None:
    redis = Fragile("Redis", journal)
    supervisor.start(redis)
    redis.alive = redis.can_start = False
    supervisor.check()
    supervisor.check()
    assert said[-1] == "Redis cannot start"
    redis.can_start = True
    for clock.now in (1.0, 2.0, 3.0):
        supervisor.check()
    assert redis.alive


def test_stops_given_services_first_then_the_last_started(supervisor: Supervisor, journal: list[str]) -> None:
    postgres, redis, web, worker = services = [
        Fragile(name, journal) for name in ("postgres", "redis", "web", "worker")
    ]
    for service in services:
        supervisor.start(service)
    journal.clear()
    supervisor.stop([web, worker])
    assert set(journal[:2]) == {"stop web", "stop worker"}
    assert journal[2:] == ["stop redis", "stop postgres"]
    assert not postgres.alive
    assert not redis.alive
