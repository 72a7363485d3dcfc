"""The health checks of the containers: a worker is healthy while its heartbeat is recent."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.jobs.models import WorkerHeartbeat
from glmr_server import health


def beat(name: str, seconds_ago: float) -> None:
    seen = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerHeartbeat.objects.create(name=name, device="cpu", last_seen_at=seen)


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds_ago", "healthy"), [(1, True), (600, False)])
def test_worker_health_follows_its_last_heartbeat(seconds_ago: float, healthy: bool) -> None:
    beat(f"{socket.gethostname()}:1", seconds_ago)
    assert (health.worker_problem() == "") is healthy


@pytest.mark.django_db
def test_heartbeat_of_another_machine_does_not_count() -> None:
    beat("elsewhere:1", 1)
    assert "no heartbeat" in health.worker_problem()


def test_silent_web_server_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setenv("GLMR_BIND", f"0.0.0.0:{port}")
    assert health.main(["web"]) == 1
    assert health.main(["nonsense"]) == 2
