"""The heartbeats of workers. Each worker writes its own row, which shows people whether work can continue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now

from annotation.jobs.models import WorkerHeartbeat

# Rows of processes that ended long ago only clutter the list of workers.
FORGET_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    worker: str
    device: str
    activity: str = ""
    problem: str = ""  # why the worker cannot work; empty while it can
    model_version_id: int | None = None
    cannot_load: tuple[int, ...] = ()  # ids of model versions; then `problem` is about these alone
    silence_s: float | None = None  # since the worker last heard the doorbell


def beat(heartbeat: Heartbeat) -> None:
    """Store the heartbeat with the database's time."""
    WorkerHeartbeat.objects.update_or_create(
        name=heartbeat.worker[:120],
        defaults={
            "device": heartbeat.device[:120],
            "activity": heartbeat.activity[:200],
            "problem": heartbeat.problem[:2000],
            "model_version_id": heartbeat.model_version_id,
            "cannot_load": list(heartbeat.cannot_load),
            "rang_at": None
            if heartbeat.silence_s is None
            else Now() - timedelta(seconds=heartbeat.silence_s),
            "last_seen_at": Now(),
            "stopped_at": None,
        },
    )


def stop(worker: str) -> None:
    WorkerHeartbeat.objects.filter(name=worker[:120]).update(
        stopped_at=Now(), activity="", problem="", cannot_load=[]
    )


def forget_old() -> None:
    WorkerHeartbeat.objects.filter(last_seen_at__lt=Now() - FORGET_AFTER).delete()
