"""A client of the REST interface behind the proxy, and steady traffic that counts what fails."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection for each request: a failure of any of them shows."""

    def __init__(self, port: int, certificate: str, token: str = "") -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=certificate)
        self._token = token

    def send(self, method: str, path: str, document: object = None, key: str = "") -> Answer:
        """Raises OSError or http.client.HTTPException if no answer comes."""
        headers = {"Host": "localhost", "Authorization": f"Bearer {self._token}"}
        body = None
        if document is not None:
            body = json.dumps(document).encode()
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        connection = http.client.HTTPSConnection("localhost", self._port, context=self._context, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def expect(self, status: int, method: str, path: str, document: object = None, key: str = "") -> Answer:
        answer = self.send(method, path, document, key)
        if answer.status != status:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body[:1000]!r}")
        return answer

    def wait_for_job(self, job_id: str, timeout_s: float = 600.0) -> dict[str, Any]:
        """The job when all of its features have ended. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while True:
            job: dict[str, Any] = self.expect(200, "GET", f"/api/v1/jobs/{job_id}").json
            if job["finished_at"]:
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"Job {job_id} has not ended: {job['progress']}")
            time.sleep(1.0)


@dataclass
class Traffic:
    """Reads and submissions, about three a second, from `start` to `stop`."""

    client: Client
    document: dict[str, Any]
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        number = 0
        while not self._end.wait(0.3):
            number += 1
            method, path = (("POST", "/api/v1/jobs"), ("GET", "/api/v1/jobs"), ("GET", "/healthz"))[
                number % 3
            ]
            submits = method == "POST"
            try:
                answer = self.client.send(
                    method, path, self.document if submits else None, uuid.uuid4().hex if submits else ""
                )
            except (OSError, http.client.HTTPException) as problem:
                self.failures.append(f"{method} {path}: {problem!r}")
                continue
            if answer.status >= 400:
                self.failures.append(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
                continue
            self.answered += 1
            if submits:
                self.jobs.append(answer.json["id"])
