"""Rate limits with their headers, the cached schema, JSON that costs too much, removal of uploads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.utils import timezone
from rest_framework.test import APIClient

from annotation.api import parsers, rate, shared_counts
from annotation.spectra import removal
from annotation.spectra.models import Spectrum, Upload
from tests.annotation.api.world import Scope, World

NOT_USABLE = {"precursor_mz": 0, "peaks": []}


@pytest.fixture
def _redis(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "_shared_again_at", 0.0)


def test_every_answer_states_the_rate_limit(client: APIClient) -> None:
    first, second = client.get("/api/v1/projects"), client.get("/api/v1/nothing-here-but/projects")
    assert first["RateLimit-Limit"] == "600"
    assert int(first["RateLimit-Remaining"]) < 600
    assert 0 < int(first["RateLimit-Reset"]) <= 60
    assert second.status_code == 404


@pytest.mark.usefixtures("_redis")
def test_web_processes_count_together(db: None) -> None:
    """The count is in Redis, so another process would see it."""
    used = [rate.count_request("token/1").used for _ in range(3)]
    assert used == [1, 2, 3]
    redis = caches["shared"]._cache.get_client()  # type: ignore[attr-defined]
    assert redis.keys("*api-rate/token/1*")


def test_rate_limits_hold_without_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///nowhere.sock"}
    settings.CACHES = {**settings.CACHES, "shared": broken}
    monkeypatch.setattr(shared_counts, "_shared_again_at", 0.0)
    settings.GLMR_API_RATE = 1
    assert [rate.count_request("user/7").exceeded for _ in range(2)] == [False, True]


def test_schema_is_not_sent_again_to_who_has_it(db: None) -> None:
    first = APIClient().get("/api/v1/schema", headers={"Accept": "application/json"})
    assert first.status_code == 200
    again = APIClient().get(
        "/api/v1/schema", headers={"Accept": "application/json", "If-None-Match": first["ETag"]}
    )
    assert again.status_code == 304
    assert again.content == b""
    as_yaml = APIClient().get("/api/v1/schema", headers={"If-None-Match": first["ETag"]})
    assert as_yaml.status_code == 200
    assert as_yaml.content.startswith(b"openapi:")


def test_json_of_too_many_lists_is_refused_before_it_is_parsed(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsers, "MOST_CONTAINERS", 5)
    content = '{"spectra": [[],[],[],[]]}'
    answer = client.post(
        "/api/v1/jobs", content, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 413
    assert "lists and objects" in answer.json()["detail"]


def submit(client: APIClient, world: World, key: str, **changes: Any) -> Any:
    body = world.job() | changes
    return client.post("/api/v1/jobs", body, format="json", headers={"Idempotency-Key": key})


def test_a_refused_submission_sent_again_stores_nothing_twice(client: APIClient, world: World) -> None:
    before = Upload.objects.count()
    answers = [submit(client, world, "same", spectra=[NOT_USABLE]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422] * 3
    assert len({answer.json()["upload"] for answer in answers}) == 1
    assert Upload.objects.count() == before + 1


def test_uploads_are_listed_and_deleted_unless_a_job_uses_them(client: APIClient, world: World) -> None:
    refused = submit(client, world, "a", spectra=[NOT_USABLE]).json()["upload"]
    used = submit(client, world, "b").json()["upload"]
    used_url = used if isinstance(used, str) else used["url"]
    listed = [upload["url"] for upload in client.get("/api/v1/uploads").json()["results"]]
    assert {refused, used_url} <= set(listed)
    assert client.delete(used_url).status_code == 409
    assert client.delete(refused).status_code == 204
    assert client.get(refused).status_code == 404
    assert client.get(used_url).status_code == 200


def test_uploads_of_others_cannot_be_deleted(client: APIClient, world: World) -> None:
    refused = submit(client, world, "a", spectra=[NOT_USABLE]).json()["upload"]
    assert world.client(scopes=[Scope.READ]).delete(refused).status_code == 403
    assert APIClient().delete(refused).status_code == 401
    assert client.get(refused).status_code == 200


def test_old_uploads_without_a_job_expire_with_their_spectra(
    client: APIClient, world: World, settings: Any
) -> None:
    used = Upload.objects.filter(pk__in=Spectrum.objects.filter(job_items__isnull=False).values("upload"))
    submit(client, world, "b")
    submit(client, world, "c", spectra=[NOT_USABLE])
    n_used = used.count()
    assert removal.expire() == 0
    Upload.objects.update(created_at=timezone.now() - timedelta(days=31))
    settings.GLMR_UPLOAD_DAYS = 0
    assert removal.expire() == 0
    settings.GLMR_UPLOAD_DAYS = 30
    assert removal.expire() >= 1
    assert used.count() == n_used == Upload.objects.count()
