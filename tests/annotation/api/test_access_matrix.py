"""Every operation of the OpenAPI schema, for every kind of caller: only what role and scopes allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import resolve
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from annotation.models import Annotation, ApiToken, Membership, Role
from tests.annotation.api.world import ASPIRIN, QUERIES, Scope, World, client_for, filled, make_private_result
from tests.annotation.builders import make_project, make_user
from tests.annotation.imports.building import LIBRARY, REFERENCES


@dataclass(frozen=True)
class Operation:
    """What an operation that writes needs, and a body that it accepts."""

    role: Role
    scope: ApiToken.Scope
    body: Any = None
    file: bytes = b""  # with one, the body is sent as a form


LICENSE = {"license": "CC0", "source": "inventory"}
SUBMIT = {"library": "Private", "spectra": [ASPIRIN]}
# An operation that writes and is not here fails the test: decide who may use it.
WRITES: Mapping[str, Operation] = {
    "annotate_spectrum": Operation(
        Role.SUBMITTER, Scope.SUBMIT, {"library": "Private", "spectrum": {**ASPIRIN, "peaks": []}}
    ),
    "cancel_job": Operation(Role.SUBMITTER, Scope.SUBMIT),
    "create_export": Operation(Role.VIEWER, Scope.READ, {"format": "csv"}),
    "create_verdict": Operation(Role.CURATOR, Scope.REVIEW, {"decision": "accept"}),
    "delete_upload": Operation(Role.SUBMITTER, Scope.SUBMIT),
    "resume_job": Operation(Role.SUBMITTER, Scope.SUBMIT),
    "retry_job": Operation(Role.SUBMITTER, Scope.SUBMIT),
    "submit_job": Operation(Role.SUBMITTER, Scope.SUBMIT, SUBMIT),
    "create_service_account": Operation(Role.MANAGER, Scope.ACCOUNTS, {"name": "new-machine"}),
    "close_service_account": Operation(Role.MANAGER, Scope.ACCOUNTS),
    "issue_token": Operation(Role.MANAGER, Scope.ACCOUNTS, {"scopes": ["accounts"]}),
    "revoke_token": Operation(Role.MANAGER, Scope.ACCOUNTS),
    "create_import": Operation(
        Role.MANAGER, Scope.MANAGE, {"kind": "library", "name": "drugs", **LICENSE}, LIBRARY
    ),
    "create_library_version": Operation(Role.MANAGER, Scope.MANAGE, LICENSE, LIBRARY),
    "create_reference_version": Operation(Role.MANAGER, Scope.MANAGE, LICENSE, REFERENCES),
    "publish_import": Operation(Role.MANAGER, Scope.MANAGE),
    "discard_import": Operation(Role.MANAGER, Scope.MANAGE),
    "begin_part": Operation(Role.SUBMITTER, Scope.SUBMIT, {"file_name": "secret-order.mgf", "size_bytes": 5}),
    "append_part": Operation(Role.SUBMITTER, Scope.SUBMIT),
    "discard_part": Operation(Role.SUBMITTER, Scope.SUBMIT),
    "rotate_token": Operation(Role.MANAGER, Scope.ACCOUNTS),
    "create_webhook": Operation(
        Role.MANAGER, Scope.WEBHOOKS, {"url": "https://lims.example.org/", "events": ["job.finished"]}
    ),
    "change_webhook": Operation(Role.MANAGER, Scope.WEBHOOKS, {"description": "LIMS"}),
    "delete_webhook": Operation(Role.MANAGER, Scope.WEBHOOKS),
    "enable_webhook": Operation(Role.MANAGER, Scope.WEBHOOKS),
    "rotate_webhook_secret": Operation(Role.MANAGER, Scope.WEBHOOKS),
    "test_webhook": Operation(Role.MANAGER, Scope.WEBHOOKS),
    "replay_webhook_delivery": Operation(Role.MANAGER, Scope.WEBHOOKS),
}
# Reads that need another role or scope than the others. Lists of managers are empty for others.
READS: Mapping[str, Operation] = {
    **{name: Operation(Role.VIEWER, Scope.ACCOUNTS) for name in ("list_service_accounts", "list_tokens")},
    **{
        name: Operation(Role.MANAGER, Scope.ACCOUNTS)
        for name in ("get_service_account", "list_service_account_tokens", "get_token")
    },
    "list_webhooks": Operation(Role.VIEWER, Scope.WEBHOOKS),
    **{
        name: Operation(Role.MANAGER, Scope.WEBHOOKS)
        for name in ("get_webhook", "list_webhook_deliveries", "get_webhook_delivery")
    },
}
# The same for everybody who has a token.
SHARED = {"list_models", "get_status"}
# Managers of other projects may do this in their own.
IN_OWN_PROJECT = {"begin_part", "create_import", "create_service_account", "create_webhook"}
REFUSED = (401, 403, 404)


def operations() -> list[tuple[str, str, str]]:
    generator: Any = SchemaGenerator
    paths = generator().get_schema(request=None, public=True)["paths"]
    return [
        (operation["operationId"], method, path)
        for path, item in paths.items()
        for method, operation in item.items()
    ]


OPERATIONS = operations()


@pytest.fixture
def annotation(world: World) -> Annotation:
    return make_private_result(world, external_id="secret-order", name="secret-order")


def call(client: APIClient, operation: str, method: str, address: str) -> Any:
    headers = {"Idempotency-Key": uuid4().hex, "If-Match": '"outdated"'}
    needed = WRITES.get(operation)
    body = needed.body if needed else None
    if needed and needed.file:
        form = {**needed.body, "file": SimpleUploadedFile("secret-order", needed.file)}
        return client.post(address, form, format="multipart", headers=headers)
    if body is None:
        return getattr(client, method)(address, headers=headers)
    return getattr(client, method)(address, body, format="json", headers=headers)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    from annotation.api.views import annotate

    settings.MEDIA_ROOT = tmp_path
    settings.GLMR_TOKEN_TRIES = 10_000  # the tests send many unusable tokens
    monkeypatch.setattr(annotate, "LONGEST_WAIT_S", 0)


def test_each_operation_that_writes_is_in_the_table() -> None:
    assert {operation for operation, method, _ in OPERATIONS if method != "get"} == set(WRITES)


PARTS = {"begin_part", "append_part", "discard_part"}


def also_allowed_with(operation: str, method: str, address: str) -> frozenset[ApiToken.Scope]:
    """Scopes of which one suffices, as the view declares. `test_scopes.py` says what they see."""
    view = resolve(address.partition("?")[0]).func.cls  # type: ignore[attr-defined]
    if method != "get":
        return view.write_scopes if operation in PARTS else frozenset()
    return frozenset() if operation in READS else view.read_scopes


@pytest.mark.parametrize(("operation", "method", "path"), OPERATIONS, ids=lambda value: value)
def test_members_may_do_what_their_role_and_scopes_allow(
    world: World, annotation: Annotation, operation: str, method: str, path: str
) -> None:
    needed = WRITES.get(operation) or READS.get(operation, Operation(Role.VIEWER, Scope.READ))
    order = list(Role)

    def address() -> str:
        return filled(path, annotation, newest_member(world)) + QUERIES.get((method, path), "")

    for role in reversed(order):  # the strongest last, because it may delete the upload
        client = world.client(role)
        opened = address()  # of an object that no earlier caller has deleted
        answer = call(client, operation, method, opened)
        if order.index(role) >= order.index(needed.role):
            assert answer.status_code not in REFUSED, (role, answer.content)
        else:
            assert answer.status_code == 403, (role, answer.content)
    for scope in Scope:
        client = world.client(Role.MANAGER, [scope])
        opened = address()
        answer = call(client, operation, method, opened)
        suffices = scope == needed.scope or scope in also_allowed_with(operation, method, opened)
        assert (answer.status_code == 403) != suffices, (scope, answer.content)


@pytest.mark.parametrize(("operation", "method", "path"), OPERATIONS, ids=lambda value: value)
def test_others_get_nothing(
    world: World, annotation: Annotation, operation: str, method: str, path: str
) -> None:
    address = filled(path, annotation) + QUERIES.get((method, path), "")
    answer = call(APIClient(), operation, method, address)
    assert (answer.status_code, answer["WWW-Authenticate"][:6]) == (401, "Bearer")
    for unusable in (
        world.client(expires_at=timezone.now() - timedelta(seconds=1)),
        _revoked(world),
    ):
        assert call(unusable, operation, method, address).status_code in REFUSED
    stranger, superuser = make_user(), make_user(is_superuser=True)
    for client in (
        client_for(make_project(stranger, Role.MANAGER), stranger),
        client_for(make_project(superuser), superuser),  # a superuser, with a token of another project
        _session(make_user()),
        _without_membership(world),
    ):
        answer = call(client, operation, method, address)
        if operation in SHARED:
            continue
        if operation in IN_OWN_PROJECT and answer.status_code in (201, 202):
            assert answer.json()["project"] != world.project.slug
            continue
        if "{" in path or method != "get":
            assert answer.status_code in (403, 404, 422), (operation, answer.content)
            assert "secret-order" not in answer.content.decode()
        else:
            assert answer.status_code == 200, answer.content
            assert answer.json()["results"] == [] or "secret-order" not in answer.content.decode()
            assert str(annotation.job.public_id) not in answer.content.decode()
            assert '"Private"' not in answer.content.decode()


@pytest.mark.parametrize("method", ["post", "delete"])
def test_only_its_sender_continues_a_file(world: World, annotation: Annotation, method: str) -> None:
    client = world.client(Role.SUBMITTER)
    path = "/api/v1/parts/{part_id}"
    address = filled(path, annotation, newest_member(world)) + QUERIES.get((method, path), "")
    assert getattr(world.client(), method)(address).status_code == 403
    assert getattr(client, method)(address).status_code in (200, 204)


def newest_member(world: World) -> User:
    return Membership.objects.filter(project=world.project).latest("pk").user


def _revoked(world: World) -> APIClient:
    client = world.client()
    ApiToken.objects.filter(project=world.project).update(revoked_at=timezone.now())
    return client


def _without_membership(world: World) -> APIClient:
    """The token of somebody who has left the project."""
    client = world.client()
    Membership.objects.filter(project=world.project).exclude(user=world.user).delete()
    return client


def _session(user: Any) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client
