"""Each role with each scope alone: what a token may do, and that each scope suffices for its work."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from annotation.accounts.service_accounts import create
from annotation.accounts.tokens import ROLE_FOR_SCOPE
from annotation.models import Annotation, ApiToken, AuditEvent, Role
from tests.annotation.api.world import World, client_for, make_managed
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.webhooks.builders import ALL_EVENTS

Scope = ApiToken.Scope
R, S, V, W, A = Scope.READ, Scope.SUBMIT, Scope.REVIEW, Scope.WEBHOOKS, Scope.ACCOUNTS
HOOK = {"url": "https://lims.example.org/hooks", "events": ALL_EVENTS}

# Method, address, body, and the scopes of which each suffices alone.
REQUESTS: tuple[tuple[str, str, Any, set[Scope]], ...] = (
    ("get", "/api/v1/jobs", None, {R, S, V}),
    ("get", "/api/v1/jobs/{job}/results", None, {R, V}),
    ("get", "/api/v1/jobs/{job}/exports", None, {R}),
    ("get", "/api/v1/annotations/{annotation}", None, {R, V}),
    ("get", "/api/v1/uploads", None, {R, S}),
    ("get", "/api/v1/projects", None, set(Scope)),
    ("get", "/api/v1/libraries", None, set(Scope)),
    ("get", "/api/v1/status", None, set(Scope)),
    ("post", "/api/v1/jobs", "job", {S}),
    ("post", "/api/v1/jobs/{job}/exports", {"format": "csv"}, {R}),
    ("post", "/api/v1/annotations/{annotation}/verdicts", {"decision": "accept"}, {V}),
    ("get", "/api/v1/webhooks", None, {W}),
    ("post", "/api/v1/webhooks", HOOK, {W}),
    ("post", "/api/v1/webhooks/{webhook_id}/test", None, {W}),
    ("post", "/api/v1/webhook-deliveries/{delivery_id}/replay", None, {W}),
    ("delete", "/api/v1/webhooks/{webhook_id}", None, {W}),
    ("get", "/api/v1/service-accounts", None, {A}),
    ("post", "/api/v1/service-accounts", {"name": "x"}, {A}),
    ("post", "/api/v1/service-accounts/{account_id}/tokens", {"scopes": ["submit"]}, set()),
    ("get", "/api/v1/tokens", None, {A}),
    ("get", "/api/v1/tokens/{prefix}", None, {A}),
    ("delete", "/api/v1/tokens/{prefix}", None, {A}),
    ("delete", "/api/v1/service-accounts/{account_id}", None, {A}),
)
# Reads that are refused without the role. Lists show less instead.
OF_MANAGERS = {"/api/v1/tokens/{prefix}"}


@pytest.fixture
def annotation(world: World) -> Annotation:
    job = make_job(1, world.project, world.user, model_version=world.model, library_version=world.version)
    return make_annotation(job.items.get())


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("role", Role)
def test_role_and_scope(world: World, annotation: Annotation, role: Role, scope: Scope) -> None:
    """A write needs the scope and its role. A read needs the scope, and shows what the role may see."""
    managed = make_managed(world.project)
    tag = world.client().get(f"/api/v1/annotations/{annotation.public_id}")["ETag"]
    client = world.client(role, [scope])
    for method, path, body, suffices in REQUESTS:
        address = path.format(job=annotation.job.public_id, annotation=annotation.public_id, **managed)
        headers = {"Idempotency-Key": address, "If-Match": tag}
        sent = world.job() if body == "job" else body
        answer = getattr(client, method)(address, sent, format="json", headers=headers)
        needs_role = method != "get" or path in OF_MANAGERS
        has_role = role in ROLE_FOR_SCOPE[scope].and_above()
        allowed = scope in suffices and (has_role or not needs_role)
        assert (answer.status_code < 300) == allowed, (method, path, answer.status_code, answer.content[:200])
        if not allowed:
            assert answer.status_code == 403, (method, path, answer.status_code, answer.content[:200])


def test_a_submit_token_sees_the_jobs_and_uploads_that_it_made_and_no_others(
    world: World, annotation: Annotation
) -> None:
    client = world.client(Role.SUBMITTER, [S])
    answer = client.post("/api/v1/jobs", world.job(), format="json", headers={"Idempotency-Key": "1"})
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    assert [job["id"] for job in client.get("/api/v1/jobs").json()["results"]] == [job_id]
    assert client.get(f"/api/v1/jobs/{job_id}").status_code == 200
    assert client.get(f"/api/v1/jobs/{job_id}/items").status_code == 200
    assert client.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 200
    assert client.get(f"/api/v1/jobs/{annotation.job.public_id}").status_code == 404
    assert len(client.get("/api/v1/uploads").json()["results"]) == 1
    assert client.get(f"/api/v1/uploads/{annotation.spectrum.upload_id}").status_code == 404


def test_a_review_token_finds_reads_and_decides(world: World, annotation: Annotation) -> None:
    client = world.client(Role.CURATOR, [V])
    (job,) = client.get("/api/v1/jobs").json()["results"]
    (row,) = client.get(f"/api/v1/jobs/{job['id']}/results").json()["results"]
    address = f"/api/v1/annotations/{row['annotation']['id']}"
    headers = {"If-Match": client.get(address)["ETag"]}
    answer = client.post(f"{address}/verdicts", {"decision": "accept"}, format="json", headers=headers)
    assert answer.status_code == 201


def test_a_token_shows_rotates_and_revokes_itself(world: World) -> None:
    client = world.client(Role.VIEWER, [R])
    own = ApiToken.objects.latest("pk")
    assert client.get(f"/api/v1/tokens/{own.prefix}").json()["scopes"] == ["read"]
    answer = client.post(f"/api/v1/tokens/{own.prefix}/rotate", {"overlap_hours": 1}, format="json")
    assert answer.status_code == 201
    new = answer.json()
    assert (new["scopes"], new["replaces"], new["owner"]) == (["read"], own.prefix, own.user.username)
    renewed = APIClient()
    renewed.credentials(HTTP_AUTHORIZATION=f"Bearer {new['secret']}")
    assert renewed.get("/api/v1/jobs").status_code == 200
    again = client.post(f"/api/v1/tokens/{own.prefix}/rotate", {}, format="json")
    assert (again.status_code, again.json()["type"]) == (409, "urn:glmr:problem:cannot-rotate")
    assert renewed.delete(f"/api/v1/tokens/{new['prefix']}").status_code == 204
    assert renewed.get("/api/v1/jobs").status_code == 401


def test_a_manager_makes_a_service_account_and_its_token_over_rest(world: World) -> None:
    client = world.client(Role.MANAGER, [A, S])
    answer = client.post(
        "/api/v1/service-accounts", {"name": "lims", "description": "Night runs"}, format="json"
    )
    assert answer.status_code == 201
    account = answer.json()
    assert (account["role"], account["username"]) == ("submitter", f"lims@{world.project.slug}")
    tokens = f"/api/v1/service-accounts/{account['id']}/tokens"
    answer = client.post(tokens, {"scopes": ["submit"], "expires_in_days": 30}, format="json")
    assert answer.status_code == 201
    machine = APIClient()
    machine.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['secret']}")
    submitted = machine.post("/api/v1/jobs", world.job(), format="json", headers={"Idempotency-Key": "1"})
    assert submitted.status_code == 202
    assert "secret" not in client.get(tokens).json()["results"][0]
    event = AuditEvent.objects.filter(kind=AuditEvent.Kind.TOKEN_ISSUED).latest("pk")
    assert "with token" in event.actor
    assert client.delete(f"/api/v1/service-accounts/{account['id']}").status_code == 204
    assert machine.get("/api/v1/jobs").status_code == 401


def test_a_token_gives_no_scope_that_it_lacks(world: World) -> None:
    account = create(project=world.project, name="lims", role=Role.MANAGER, by=None)
    client = world.client(Role.MANAGER, [A])
    tokens = f"/api/v1/service-accounts/{account.public_id}/tokens"
    assert client.post(tokens, {"scopes": ["accounts", "read"]}, format="json").status_code == 403
    assert client.post(tokens, {"scopes": ["accounts"]}, format="json").status_code == 201
    wide = world.client(Role.MANAGER, [A, R]).post(tokens, {"scopes": ["read"]}, format="json").json()
    assert client.post(f"/api/v1/tokens/{wide['prefix']}/rotate", {}, format="json").status_code == 403


def test_nobody_rotates_the_token_of_another_person(world: World) -> None:
    world.client(Role.VIEWER, [R])
    theirs = ApiToken.objects.latest("pk")
    answer = world.client(Role.MANAGER, list(Scope)).post(
        f"/api/v1/tokens/{theirs.prefix}/rotate", {}, format="json"
    )
    assert answer.status_code == 403
    session = APIClient()
    session.force_login(world.user)
    assert session.post(f"/api/v1/tokens/{theirs.prefix}/rotate", {}, format="json").status_code == 403
    assert (
        client_for(world.project, world.user, [A]).delete(f"/api/v1/tokens/{theirs.prefix}").status_code
        == 204
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "two words"}, "/name"),
        ({"name": "x", "role": "king"}, "/role"),
        ({"name": "x", "project": "no-such-project"}, "/project"),
    ],
)
def test_accounts_that_are_refused(world: World, body: dict[str, Any], pointer: str) -> None:
    answer = world.client().post("/api/v1/service-accounts", body, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
