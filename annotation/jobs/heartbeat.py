"""Signs of life of workers: each writes its own row, and people see in it whether work can go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now

from annotation.jobs.models import WorkerHeartbeat

# Rows of processes that are long gone only clutter the list of workers.
FORGET_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SignOfLife:
    worker: str
    device: str
    activity: str = ""
    problem: str = ""  # why it cannot work; empty while it can
    model_version_id: int | None = None


def beat(sign: SignOfLife) -> None:
    """Write the sign at the database's own time."""
    WorkerHeartbeat.objects.update_or_create(
        name=sign.worker[:120],
        defaults={
            "device": sign.device[:120],
            "activity": sign.activity[:200],
            "problem": sign.problem[:2000],
            "model_version_id": sign.model_version_id,
            "last_seen_at": Now(),
            "stopped_at": None,
        },
    )


def stop(worker: str) -> None:
    WorkerHeartbeat.objects.filter(name=worker[:120]).update(stopped_at=Now(), activity="", problem="")


def forget_old() -> None:
    WorkerHeartbeat.objects.filter(last_seen_at__lt=Now() - FORGET_AFTER).delete()
