"""Signs of life of the workers, as every page's footer and the home page state them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Q
from django.utils import timezone

from annotation.jobs.models import WorkerHeartbeat


@dataclass(frozen=True)
class WorkerStatus:
    n_alive: int
    last_seen_at: datetime | None

    @property
    def is_alive(self) -> bool:
        return self.n_alive > 0


def alive_since() -> datetime:
    """A worker that has been silent for longer than two heartbeats counts as gone."""
    return timezone.now() - timedelta(seconds=2 * settings.GLMR_HEARTBEAT_S)


def worker_status() -> WorkerStatus:
    """One query."""
    alive = Q(last_seen_at__gte=alive_since(), stopped_at=None)
    row = WorkerHeartbeat.objects.aggregate(n=Count("id", filter=alive), seen=Max("last_seen_at"))
    return WorkerStatus(n_alive=row["n"], last_seen_at=row["seen"])
