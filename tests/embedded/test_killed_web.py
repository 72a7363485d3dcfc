"""A client that sends a POST again and again gets one job, export or verdict, whatever happens to the server.

Real web processes are killed with SIGKILL while they work.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.embedded.processes import eventually

pytest.importorskip("httpx", reason="httpx comes with the client generator of the development tools")
import httpx

if TYPE_CHECKING:
    from tests.annotation.api.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Web:
    """Web processes on one port, which can be killed and started again."""

    environment: dict[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "glmr_server.serve", "web"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert eventually(self._answers, within_s=180), self.log.read_text()

    def kill(self) -> None:
        """Kill all web processes at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/api/v1/status", timeout=5).status_code == 401
        except httpx.TransportError:
            return False


@pytest.fixture
def web(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Web]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **process_environment,
        "GLMR_BIND": f"127.0.0.1:{port}",
        "GLMR_WEB_WORKERS": "2",
        "GLMR_SECRET_KEY": "k" * 60,
        "OMP_NUM_THREADS": "1",
    }
    web = Web(environment, port, tmp_path / "web.log")
    try:
        web.start()
        yield web
    finally:
        web.kill()


@dataclass
class Request:
    """A POST that must have its effect once. `count` counts its effects in the database."""

    path: str
    body: dict[str, Any]
    count: Callable[[], int]
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, web: Web) -> httpx.Response:
        return httpx.post(f"{web.address}{self.path}", json=self.body, headers=self.headers, timeout=60)

    def send_and_leave(self, web: Web) -> socket.socket:
        """Send the whole request and do not read the answer."""
        content = json.dumps(self.body).encode()
        lines = [f"POST {self.path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        head = "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode()
        client = socket.create_connection(("127.0.0.1", web.port), 20)
        client.sendall(head + content)
        return client

    def send_until_answered(self, web: Web) -> httpx.Response:
        """As a client does that follows the documentation: 409 means to wait, then send again."""
        deadline = time.monotonic() + 60
        while (answer := self.send(web)).status_code == 409 and time.monotonic() < deadline:
            time.sleep(0.3)
        return answer


@pytest.fixture
def world(web: Web) -> World:
    from tests.annotation.api.world import make_world

    return make_world()


@pytest.fixture
def requests(web: Web, world: World) -> list[Request]:
    """A submission, an export and a verdict."""
    from annotation.accounts.tokens import issue
    from annotation.models import ApiToken, Export, Job, Verdict
    from tests.annotation.builders import make_annotation, make_job

    _, secret = issue(project=world.project, user=world.user, name="t", scopes=tuple(ApiToken.Scope))
    headers = {"Authorization": f"Bearer {secret}"}
    job = make_job(1, world.project, world.user, model_version=world.model, library_version=world.version)
    path = f"/api/v1/annotations/{make_annotation(job.items.get()).public_id}"
    tag = httpx.get(f"{web.address}{path}", headers=headers, timeout=60).headers["ETag"]
    verdict = {"decision": "reject", "reason": "Noise."}
    submitted = Job.objects.exclude(pk=job.pk)
    return [
        Request("/api/v1/jobs", world.job(), submitted.count, {**headers, "Idempotency-Key": "a"}),
        Request(
            f"/api/v1/jobs/{job.public_id}/exports",
            {"format": "csv"},
            Export.objects.count,
            {**headers, "Idempotency-Key": "b"},
        ),
        Request(
            f"{path}/verdicts",
            verdict,
            Verdict.objects.count,
            {**headers, "Idempotency-Key": "c", "If-Match": tag},
        ),
    ]


def check_once(requests: list[Request], web: Web) -> None:
    for request in requests:
        answer = request.send_until_answered(web)
        assert answer.is_success, answer.text
        again = request.send(web)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (answer.content, "true")
        assert request.count() == 1


def test_twelve_at_once(requests: list[Request], web: Web) -> None:
    for request in requests:
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(request.send, [web] * 12))
        assert {answer.status_code for answer in answers} <= {201, 202, 409}
    check_once(requests, web)


def test_cut_connections_and_a_kill_after_the_commit(requests: list[Request], web: Web) -> None:
    for request in requests:
        for _ in range(3):
            request.send_and_leave(web).close()
    with ExitStack() as stack:
        for request in requests:
            stack.enter_context(request.send_and_leave(web))
        assert eventually(lambda: all(request.count() == 1 for request in requests), within_s=90)
        web.kill()
    web.start()
    check_once(requests, web)


def test_a_body_in_chunks_is_read(web: Web, world: World) -> None:
    from tests.annotation.api.world import client_for

    client = client_for(world.project, world.user)
    content = json.dumps(world.job()).encode()
    headers = {
        "Authorization": str(client._credentials["HTTP_AUTHORIZATION"]),  # type: ignore[attr-defined]
        "Idempotency-Key": "chunks",
        "Content-Type": "application/json",
    }
    parts = (content[start : start + 50] for start in range(0, len(content), 50))
    answer = httpx.post(f"{web.address}/api/v1/jobs", content=parts, headers=headers, timeout=60)
    assert answer.status_code == 202, answer.text
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
