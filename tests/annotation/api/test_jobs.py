"""GET /jobs, and the actions on a job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from annotation.accounts.models import Role
from annotation.jobs import heartbeat
from annotation.jobs.heartbeat import Heartbeat
from annotation.models import Job, JobItem
from tests.annotation.api.world import World
from tests.annotation.builders import make_job, make_user


def names(client: APIClient, query: str = "") -> list[str]:
    answer = client.get(f"/api/v1/jobs{query}")
    assert answer.status_code == 200, answer.json()
    return [job["name"] for job in answer.json()["results"]]


def make(world: World, **overrides: Any) -> Job:
    fields = {"model_version": world.model, "library_version": world.version}
    return make_job(1, world.project, world.user, **(fields | overrides))


def test_newest_first_in_pages(world: World, client: APIClient) -> None:
    for number in range(5):
        make(world, name=f"job {number}")
    address, found = "/api/v1/jobs?limit=2", []
    while address:
        page = client.get(address).json()
        found += [job["name"] for job in page["results"]]
        address = page["next"]
    assert found == [f"job {number}" for number in (4, 3, 2, 1, 0)]


def test_changed_since_oldest_change_first(world: World, client: APIClient) -> None:
    now = timezone.now()
    for hours in (1, 3, 2):
        make(world, name=f"{hours} h ago", updated_at=now - timedelta(hours=hours))
    since = quote((now - timedelta(hours=2, minutes=30)).isoformat())
    assert names(client, f"?updated_since={since}") == ["2 h ago", "1 h ago"]
    assert names(client, f"?updated_since={since}&limit=1") == ["2 h ago"]


def test_by_external_id(world: World, client: APIClient) -> None:
    make(world, name="first", external_id="run-7")
    make(world, name="second", external_id="run-8")
    assert names(client, "?external_id=run-7") == ["first"]


def test_by_state(world: World, client: APIClient) -> None:
    now = timezone.now()
    make(world, name="queued")
    make(world, name="running", started_at=now)
    make(world, name="done", started_at=now, finished_at=now)
    make(world, name="cancelled", cancel_requested_at=now, finished_at=now)
    for state in Job.State.values:
        assert names(client, f"?state={state}") == [state]
    assert {job["name"]: job["state"] for job in client.get("/api/v1/jobs").json()["results"]} == {
        state: state for state in Job.State.values
    }


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=²", "cursor=é", "cursor=cD14", "cursor=cD0lMDA="],
)
def test_invalid_pages_are_422(world: World, client: APIClient, query: str) -> None:
    answer = client.get(f"/api/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


@pytest.mark.parametrize("query", ["state=maybe", "updated_since=yesterday"])
def test_invalid_filters_are_422(client: APIClient, query: str) -> None:
    answer = client.get(f"/api/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


def test_retry_after_only_while_open(world: World, client: APIClient) -> None:
    job = make(world)
    address = f"/api/v1/jobs/{job.public_id}"
    assert int(client.get(address)["Retry-After"]) >= 2
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now())
    assert "Retry-After" not in client.get(address)


def test_cancel_ends_pending_spectra(world: World, client: APIClient) -> None:
    job = make(world)
    answer = client.post(f"/api/v1/jobs/{job.public_id}/cancel")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["progress"]["cancelled"]) == ("cancelled", 1)


def test_resume_queues_cancelled_features(world: World, client: APIClient) -> None:
    job = make(world)
    client.post(f"/api/v1/jobs/{job.public_id}/cancel")
    answer = client.post(client.get(f"/api/v1/jobs/{job.public_id}").json()["links"]["resume"])
    assert answer.json()["n_resumed"] == 1
    assert (answer.json()["job"]["state"], answer.json()["job"]["progress"]["pending"]) == ("queued", 1)


def test_progress_states_why_a_job_does_not_move(world: World, client: APIClient) -> None:
    job = make(world)
    address = f"/api/v1/jobs/{job.public_id}"
    known = client.get(address).json()["progress"]
    assert (known["stalled"], known["waiting"], known["eta_s"]) == (True, "no_worker", None)
    assert (known["queue_position"], known["jobs_in_queue"]) == (1, 1)
    cannot_load = (job.model_version_id,)
    heartbeat.beat(Heartbeat(worker="w", device="cpu", problem="Gone.", cannot_load=cannot_load))
    for known in (client.get(address).json(), client.get("/api/v1/jobs").json()["results"][0]):
        assert (known["progress"]["stalled"], known["progress"]["waiting"]) == (False, "no_worker_for_model")


def test_retry_queues_failed_spectra(world: World, client: APIClient) -> None:
    job = make(world)
    job.items.update(state=JobItem.State.FAILED, error_code="no_adduct", error="No adduct.")
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now())
    answer = client.post(f"/api/v1/jobs/{job.public_id}/retry")
    assert answer.json()["n_retried"] == 1
    assert answer.json()["job"]["progress"]["pending"] == 1


@pytest.mark.parametrize("action", ["cancel", "resume", "retry"])
def test_viewers_can_read_but_not_change_jobs(world: World, action: str) -> None:
    viewer, job = world.client(Role.VIEWER), make(world)
    assert viewer.get(f"/api/v1/jobs/{job.public_id}").status_code == 200
    assert viewer.post(f"/api/v1/jobs/{job.public_id}/{action}").status_code == 403


def test_items_by_state(world: World, client: APIClient) -> None:
    job = make_job(3, world.project, make_user(), model_version=world.model, library_version=world.version)
    job.items.filter(position=1).update(
        state=JobItem.State.FAILED, error_code="no_adduct", error="No adduct."
    )
    address = f"/api/v1/jobs/{job.public_id}/items"
    assert [item["position"] for item in client.get(address).json()["results"]] == [0, 1, 2]
    (failed,) = client.get(f"{address}?state=failed").json()["results"]
    assert (failed["position"], failed["error_code"], failed["error"]) == (1, "no_adduct", "No adduct.")
