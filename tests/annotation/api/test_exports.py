"""Exports over REST: request once, poll, download, and what an export without a file answers."""

from __future__ import annotations

import base64
import hashlib
from contextlib import nullcontext
from typing import Any

import pytest
from rest_framework.test import APIClient

from annotation.accounts.models import Role
from annotation.exports import ledger, snapshot
from annotation.exports.build import build_next
from annotation.models import ApiToken, Export, Job
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_job


@pytest.fixture
def job(world: World) -> Job:
    job = make_job(3, world.project, world.user, model_version=world.model, library_version=world.version)
    make_annotation(job.items.get(position=0))
    return job


@pytest.fixture
def _in_test_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/annotation/exports/test_ledger.py` tests the real snapshot."""
    monkeypatch.setattr(snapshot, "held", nullcontext)


def request(client: APIClient, job: Job, body: object, **headers: str) -> Any:
    address = f"/api/v1/jobs/{job.public_id}/exports"
    return client.post(address, body, format="json", headers={"Idempotency-Key": "k"} | headers)


@pytest.mark.usefixtures("_in_test_transaction")
def test_request_poll_and_download(client: APIClient, job: Job) -> None:
    answer = request(client, job, {"format": "csv", "top": 2})
    assert answer.status_code == 202
    export = answer.json()
    assert (export["state"], export["top"], export["filter"]) == ("pending", 2, "")
    assert answer["Location"] == export["links"]["self"]
    assert client.get(export["links"]["file"]).status_code == 409

    assert build_next(worker="test")
    ready = client.get(answer["Location"]).json()
    assert (ready["state"], ready["n_features"], ready["n_rows"]) == ("ready", 3, 4)
    file = client.get(ready["links"]["file"], headers={"Accept": "text/csv"})
    content = file.getvalue()
    digest = hashlib.sha256(content)
    assert (file.status_code, file["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert digest.hexdigest() == ready["sha256"]
    assert file["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert ready["snapshot_id"] in file["Content-Disposition"]
    assert client.get(f"/api/v1/jobs/{job.public_id}").json()["links"]["exports"]


def test_the_same_key_makes_one_export(client: APIClient, job: Job) -> None:
    first, again = (request(client, job, {"format": "csv"}) for _ in range(2))
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert Export.objects.count() == 1


def test_a_key_is_needed(client: APIClient, job: Job) -> None:
    answer = client.post(f"/api/v1/jobs/{job.public_id}/exports", {"format": "csv"}, format="json")
    assert answer.status_code == 400


@pytest.mark.parametrize("body", [{}, {"format": "docx"}, {"format": "csv", "top": 0}])
def test_wrong_requests_are_422_with_a_pointer(client: APIClient, job: Job, body: dict[str, object]) -> None:
    answer = request(client, job, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] in ("/format", "/top")


def test_readers_may_export(world: World, job: Job) -> None:
    reader = world.client(Role.VIEWER, [ApiToken.Scope.READ])
    answer = request(reader, job, {"format": "csv"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("state", "word"), [("expired", "deleted"), ("failed", "Too many rows"), ("ready", "gone")]
)
def test_an_export_without_a_file_is_gone(
    world: World, client: APIClient, job: Job, state: str, word: str
) -> None:
    export = Export.objects.create(
        job=job,
        requested_by=world.user,
        format="csv",
        state=state,
        error="Too many rows",
        file=f"{ledger.FOLDER}/missing.csv",
    )
    answer = client.get(f"/api/v1/exports/{export.public_id}/file")
    assert answer.status_code == 410
    assert word in answer.json()["detail"]
