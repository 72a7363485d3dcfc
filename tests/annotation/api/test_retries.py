"""A client that retries a POST does not submit twice."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from annotation.models import IdempotencyKey, Job
from tests.annotation.api.test_submit_file import MGF
from tests.annotation.api.world import ASPIRIN, World, client_for
from tests.annotation.builders import make_project


def post(client: APIClient, body: Any, key: str) -> Any:
    return client.post("/api/v1/jobs", body, format="json", headers={"Idempotency-Key": key})


def test_a_retry_gets_the_first_answer(world: World, client: APIClient) -> None:
    first, second = post(client, world.job(), "k"), post(client, world.job(), "k")
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert (second.status_code, second["Location"]) == (202, first["Location"])
    assert second.content == first.content  # to the byte
    assert Job.objects.count() == 1


def test_the_order_of_members_in_the_body_does_not_matter(world: World, client: APIClient) -> None:
    post(client, world.job(name="n"), "k")
    assert post(client, dict(reversed(world.job(name="n").items())), "k").status_code == 202
    assert Job.objects.count() == 1


def test_another_body_with_the_same_key_is_422(world: World, client: APIClient) -> None:
    post(client, world.job(), "k")
    answer = post(client, world.job(name="other"), "k")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:glmr:problem:idempotency-key-reused"
    assert Job.objects.count() == 1


def test_submitting_needs_a_key(world: World, client: APIClient) -> None:
    answer = client.post("/api/v1/jobs", world.job(), format="json")
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:glmr:problem:idempotency-key-missing"


def test_invalid_key(world: World, client: APIClient) -> None:
    assert post(client, world.job(), "x" * 201).status_code == 400


def test_a_refused_request_can_be_corrected_with_the_same_key(world: World, client: APIClient) -> None:
    assert post(client, world.job(spectra=[{**ASPIRIN, "peaks": []}]), "k").status_code == 422
    assert post(client, world.job(), "k").status_code == 202


def test_a_retry_with_a_rotated_token_gets_the_first_answer(world: World) -> None:
    first, second = client_for(world.project, world.user), client_for(world.project, world.user)
    before = post(first, world.job(), "batch-1")
    world.user.api_tokens.order_by("pk")[0].delete()
    after = post(second, world.job(), "batch-1")
    assert (after.content, after["Idempotent-Replayed"]) == (before.content, "true")
    assert post(second, world.job(name="other"), "batch-1").status_code == 422
    assert Job.objects.count() == 1


def test_an_answer_that_was_stored_for_the_token_is_still_found(world: World) -> None:
    client = client_for(world.project, world.user)
    before = post(client, world.job(), "batch-1")
    old_key = f"{world.user.api_tokens.get().prefix}/batch-1"
    IdempotencyKey.objects.update(key=old_key)
    assert post(client, world.job(), "batch-1").content == before.content


def test_two_accounts_and_two_projects_have_separate_keys(world: World) -> None:
    assert post(world.client(), world.job(), "batch-1").status_code == 202
    assert post(world.client(), world.job(name="other"), "batch-1").status_code == 202
    other = make_project(world.user)
    for project in (world.project, other):
        client = client_for(project, world.user)
        assert post(client, world.job(name=project.slug), "batch-2").status_code == 202


def test_a_file_is_compared_by_its_content(world: World, client: APIClient) -> None:
    def send(content: bytes) -> Any:
        body = {"library": world.version.library.name, "file": SimpleUploadedFile("a.mgf", content)}
        return client.post("/api/v1/jobs", body, format="multipart", headers={"Idempotency-Key": "k"})

    assert send(MGF).status_code == 202
    assert send(MGF)["Idempotent-Replayed"] == "true"
    assert send(MGF + b"\n").status_code == 422
    assert Job.objects.count() == 1


def test_cancel_and_retry_honour_a_key(world: World, client: APIClient) -> None:
    links = post(client, world.job(), "k").json()["links"]
    for action in ("retry", "cancel"):
        for replayed in (None, "true"):
            answer = client.post(links[action], headers={"Idempotency-Key": action})
            assert answer.status_code == 200
            assert answer.get("Idempotent-Replayed") == replayed
