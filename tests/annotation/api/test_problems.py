"""Every error under /api/ is answered with problem details."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from annotation.api.problems import pointed
from annotation.jobs import actions
from tests.annotation.api.world import World

FIELDS = {"type", "title", "status", "detail", "instance"}


def check(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) >= FIELDS
    assert body["status"] == status
    assert body["instance"].startswith("/api/")
    return body


def test_unknown_address(client: APIClient) -> None:
    check(client.get("/api/v1/nothing"), 404)
    check(client.get("/api/v2/jobs"), 404)
    check(client.get("/api/"), 404)


def test_invalid_identifier(client: APIClient) -> None:
    check(client.get("/api/v1/jobs/5"), 404)
    check(client.get("/api/v1/uploads/99999999999999999999999"), 404)


def test_method_not_allowed_lists_the_allowed_ones(client: APIClient) -> None:
    answer = client.delete("/api/v1/jobs")
    check(answer, 405)
    assert "GET" in answer["Allow"]


def test_not_acceptable(client: APIClient) -> None:
    check(client.get("/api/v1/jobs", headers={"Accept": "application/xml"}), 406)


def test_unsupported_media_type(client: APIClient) -> None:
    answer = client.generic(
        "POST", "/api/v1/jobs", "<xml/>", content_type="application/xml", headers={"Idempotency-Key": "k"}
    )
    check(answer, 415)


def test_upload_too_large(client: APIClient, settings: Any) -> None:
    settings.GLMR_MAX_UPLOAD_BYTES = 10
    answer = client.generic(
        "POST", "/api/v1/jobs", "x" * 2**21, content_type="multipart/form-data; boundary=b"
    )
    check(answer, 413)


def test_unknown_host(world: World) -> None:
    check(Client().get("/api/v1/jobs", headers={"Host": "evil.example"}), 400)


def test_an_unexpected_error_is_500_without_details(
    world: World, client: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(actions, "submit", broken)
    client.raise_request_exception = False
    answer = client.post("/api/v1/jobs", world.job(), format="json", headers={"Idempotency-Key": "k"})
    body = check(answer, 500)
    assert "secret detail" not in str(body)
    assert "secret detail" in caplog.text


def test_too_many_requests(world: World, settings: Any) -> None:
    settings.GLMR_API_RATE = 3
    client, other = world.client(), world.client()
    assert [client.get("/api/v1/projects").status_code for _ in range(3)] == [200] * 3
    answer = client.get("/api/v1/projects")
    check(answer, 429)
    assert 0 < int(answer["Retry-After"]) <= 60
    assert other.get("/api/v1/projects").status_code == 200


def test_pointers_are_escaped_and_nested() -> None:
    detail = {"a/b": ["wrong"], "list": [{}, {"x~y": ["bad"]}], "non_field_errors": ["everything"]}
    assert pointed(detail) == [
        {"pointer": "/a~1b", "detail": "wrong"},
        {"pointer": "/list/1/x~0y", "detail": "bad"},
        {"pointer": "", "detail": "everything"},
    ]
