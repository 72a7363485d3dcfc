"""Heartbeats: one rule decides whether a worker is alive, for queries, rows and the summary."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.jobs import heartbeat
from annotation.jobs.heartbeat import Heartbeat
from annotation.jobs.models import WorkerStatus, longest_silence
from annotation.models import WorkerHeartbeat

pytestmark = pytest.mark.django_db


def beat(name: str, *, age: timedelta = timedelta(0), problem: str = "") -> None:
    heartbeat.beat(Heartbeat(worker=name, device="cpu", problem=problem))
    WorkerHeartbeat.objects.filter(name=name).update(last_seen_at=timezone.now() - age)


def test_a_worker_is_alive_until_it_stops_or_misses_two_heartbeats() -> None:
    beat("alive", age=longest_silence() - timedelta(seconds=5))
    beat("silent", age=longest_silence() + timedelta(seconds=5))
    beat("stopped")
    heartbeat.stop("stopped")

    rows = WorkerHeartbeat.objects.with_liveness()
    assert {row.name: row.is_alive for row in rows} == {"alive": True, "silent": False, "stopped": False}
    assert [worker.name for worker in WorkerHeartbeat.objects.alive()] == ["alive"]
    assert WorkerHeartbeat.objects.status().n_alive == 1


def test_without_workers(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        status = WorkerHeartbeat.objects.status()
    assert (status, status.last_seen_at) == (WorkerStatus(), None)
    assert not status.is_alive


def test_what_a_worker_can_run() -> None:
    heartbeat.beat(Heartbeat(worker="w", device="cpu"))
    assert WorkerHeartbeat.objects.get().can_run(7)
    heartbeat.beat(Heartbeat(worker="w", device="cpu", problem="The disk is full."))
    assert not WorkerHeartbeat.objects.get().can_run(7)
    heartbeat.beat(Heartbeat(worker="w", device="cpu", problem="Model 7 is gone.", cannot_load=(7,)))
    worker = WorkerHeartbeat.objects.get()
    assert (worker.can_run(7), worker.can_run(8)) == (False, True)


def test_a_worker_that_hears_no_doorbell_for_three_intervals() -> None:
    for name, silence_s in (("rung", 1.0), ("deaf", 60.0), ("of an older release", None)):
        heartbeat.beat(Heartbeat(worker=name, device="cpu", silence_s=silence_s))
    rows = WorkerHeartbeat.objects.with_liveness()
    assert {row.name: row.hears_nothing for row in rows} == {
        "rung": False, "deaf": True, "of an older release": None
    }  # fmt: skip


def test_old_rows_are_deleted() -> None:
    beat("recent", age=timedelta(hours=1))
    beat("old", age=heartbeat.FORGET_AFTER + timedelta(hours=1))
    heartbeat.forget_old()
    assert WorkerHeartbeat.objects.get().name == "recent"
