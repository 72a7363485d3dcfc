"""The status of the server: database, broker, workers, queue and default model, checked at each request."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Count, Min, Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api import openapi
from annotation.api.access import ANY_SCOPE
from annotation.api.serializers.catalogue import ServerStatusSerializer
from annotation.api.views.base import View
from annotation.checkpoints.models import ModelVersion
from annotation.integration.broker import broker_answers
from annotation.jobs.models import JobItem, WorkerHeartbeat

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from annotation.jobs.models import Liveness


class StatusView(View):
    read_scopes = ANY_SCOPE

    @extend_schema(operation_id="get_status", responses={200: ServerStatusSerializer, **openapi.PROBLEMS})
    def get(self, request: Request) -> Response:
        """Show the status of the server. `degraded` means that jobs have to wait; no data are lost."""
        return Response(ServerStatusSerializer(status()).data)


def status() -> dict[str, Any]:
    """Four queries and one connection to the broker."""
    queue, broker = _queue(), _broker()
    model = ModelVersion.objects.default()
    seen = _recent_workers()
    workers = [_worker(worker) for worker in seen]
    alive = [
        stated
        for worker, stated in zip(seen, workers, strict=True)
        if stated["alive"] and model and worker.can_run(model.pk)
    ]
    return {
        "state": "ok" if broker["ok"] and alive and model else "degraded",
        "database": _database(),
        "broker": broker,
        "workers": workers,
        "queue": queue,
        "default_model": str(model) if model else None,
        "model_loaded": model is not None and any(worker["model"] == str(model) for worker in alive),
    }


def _database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version')")
        return {"ok": True, "detail": f"PostgreSQL {cursor.fetchone()[0]}"}


def _broker() -> dict[str, Any]:
    if broker_answers():
        return {"ok": True, "detail": "The broker answers."}
    return {"ok": False, "detail": "The broker does not answer. Jobs are stored and start when it is back."}


def _recent_workers() -> list[WithAnnotations[WorkerHeartbeat, Liveness]]:
    # A worker that stopped long ago is no longer of interest.
    a_day_ago = timezone.now() - timedelta(days=1)
    recent = WorkerHeartbeat.objects.with_liveness().filter(last_seen_at__gte=a_day_ago)
    return list(recent.select_related("model_version")[:100])


def _worker(worker: WithAnnotations[WorkerHeartbeat, Liveness]) -> dict[str, Any]:
    return {
        "name": worker.name,
        "device": worker.device,
        "alive": worker.is_alive,
        "last_seen_at": worker.last_seen_at,
        "activity": worker.activity,
        "problem": worker.problem,
        "model": str(worker.model_version) if worker.model_version else None,
    }


def _queue() -> dict[str, Any]:
    states = JobItem.State
    counts = JobItem.objects.filter(
        job__finished_at=None, state__in=[states.PENDING, states.RUNNING]
    ).aggregate(
        pending=Count("pk", filter=Q(state=states.PENDING)),
        running=Count("pk", filter=Q(state=states.RUNNING)),
        oldest=Min("job__created_at", filter=Q(state=states.PENDING)),
    )
    oldest = counts.pop("oldest")
    age = (timezone.now() - oldest).total_seconds() if oldest else None
    return {**counts, "oldest_pending_s": age}
