"""The health checks of the containers: a worker is healthy while its heartbeat is recent."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

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


@pytest.mark.parametrize(
    ("bound", "asked"), [("127.0.0.9:{port}", "127.0.0.9"), ("0.0.0.0:{port}", "127.0.0.1")]
)
def test_web_health_asks_at_the_address_of_the_server(
    monkeypatch: pytest.MonkeyPatch, bound: str, asked: str
) -> None:
    hosts = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """The output of tests stays quiet."""

    with HTTPServer((asked, 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("GLMR_BIND", bound.format(port=server.server_port))
        assert health.web_problem() == ""
        thread.join()
    assert hosts == ["localhost"]
