"""POST /annotations/<id>/verdicts: no verdict is superseded without being seen."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from annotation.models import Annotation, ApiToken, Role, Verdict
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_job


@pytest.fixture
def annotation(world: World) -> Annotation:
    job = make_job(1, world.project, world.user, model_version=world.model, library_version=world.version)
    return make_annotation(job.items.get())


def address(annotation: Annotation) -> str:
    return f"/api/v1/annotations/{annotation.public_id}"


def tag(client: APIClient, annotation: Annotation) -> str:
    return str(client.get(address(annotation))["ETag"])


def decide(client: APIClient, annotation: Annotation, match: str = "", **body: Any) -> Any:
    headers = {"If-Match": match or tag(client, annotation)}
    return client.post(f"{address(annotation)}/verdicts", body, format="json", headers=headers)


def test_a_verdict_is_answered_with_the_new_etag(client: APIClient, annotation: Annotation) -> None:
    answer = decide(client, annotation, decision="accept", comment="Clear.")
    assert answer.status_code == 201, answer.json()
    assert answer["ETag"] == tag(client, annotation)
    body = answer.json()
    assert (body["candidate_rank"], body["level"], body["comment"]) == (1, "3", "Clear.")
    assert body["shown"]["candidates"][0]["rank"] == 1
    (stored,) = client.get(address(annotation)).json()["verdicts"]
    assert stored == body


def test_without_if_match_428(client: APIClient, annotation: Annotation) -> None:
    answer = client.post(f"{address(annotation)}/verdicts", {"decision": "accept"}, format="json")
    assert answer.status_code == 428
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("match", ['"other"', "*", "nonsense"])
def test_with_another_etag_412(client: APIClient, annotation: Annotation, match: str) -> None:
    assert decide(client, annotation, match, decision="accept").status_code == 412
    assert not Verdict.objects.exists()


def test_stale_etag_412_shows_the_latest_verdict(client: APIClient, annotation: Annotation) -> None:
    before = tag(client, annotation)
    first = decide(client, annotation, decision="accept").json()
    answer = decide(client, annotation, before, decision="reject", reason="No.")
    assert answer.status_code == 412
    assert answer.json()["current"]["id"] == first["id"]
    assert Verdict.objects.count() == 1


def test_a_retry_gets_the_same_verdict(client: APIClient, annotation: Annotation) -> None:
    headers = {"If-Match": tag(client, annotation), "Idempotency-Key": "k"}
    answers = [
        client.post(f"{address(annotation)}/verdicts", {"decision": "accept"}, format="json", headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1]["ETag"] == answers[0]["ETag"]
    assert Verdict.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"decision": "maybe"}, "/decision"),
        ({}, "/decision"),
        ({"decision": "choose", "candidate_rank": 2}, "/reason"),
        ({"decision": "choose", "reason": "r"}, "/candidate_rank"),
        ({"decision": "choose", "candidate_rank": 99, "reason": "r"}, "/candidate_rank"),
        ({"decision": "choose", "candidate_rank": 10**30, "reason": "r"}, "/candidate_rank"),
        ({"decision": "propose", "proposed_smiles": "C1CC", "reason": "r"}, "/proposed_smiles"),
        ({"decision": "accept", "level": "1", "reason": "sure"}, "/reason"),
        ({"decision": "accept", "comment": "\x00"}, "/comment"),
    ],
)
def test_an_invalid_field_has_a_pointer(
    client: APIClient, annotation: Annotation, body: dict[str, Any], pointer: str
) -> None:
    answer = decide(client, annotation, **body)
    assert answer.status_code == 422, answer.json()
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_a_proposed_structure(client: APIClient, annotation: Annotation) -> None:
    answer = decide(
        client, annotation, decision="propose", proposed_smiles="CCO", reason="Known from before."
    )
    assert answer.json()["smiles"] == "CCO"


def test_only_curators_can_decide(world: World, annotation: Annotation) -> None:
    assert decide(world.client(Role.SUBMITTER), annotation, decision="accept").status_code == 403


def test_the_token_needs_the_scope(world: World, annotation: Annotation) -> None:
    client = world.client(Role.CURATOR, [ApiToken.Scope.READ, ApiToken.Scope.SUBMIT])
    answer = decide(client, annotation, decision="accept")
    assert answer.status_code == 403
    assert "review" in answer.json()["detail"]
