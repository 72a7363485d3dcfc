"""Every operation of the OpenAPI schema, for every kind of caller: only what role and scopes allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from annotation.models import Annotation, ApiToken, Export, Library, Membership, Role
from tests.annotation.api.world import ASPIRIN, Scope, World, client_for
from tests.annotation.builders import make_annotation, make_job, make_library_version, make_project, make_user


@dataclass(frozen=True)
class Operation:
    """What an operation that writes needs, and a body that it accepts."""

    role: Role
    scope: ApiToken.Scope
    body: Any = None


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
}
# The same for everybody who has a token.
SHARED = {"list_models", "get_status"}
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
    library = Library.objects.create(name="Private", project=world.project)
    version = make_library_version(model_version=world.model, library=library)
    job = make_job(
        1,
        world.project,
        world.user,
        model_version=world.model,
        library_version=version,
        external_id="secret-order",
        name="secret-order",
    )
    return make_annotation(job.items.get())


def filled(path: str, annotation: Annotation) -> str:
    job = annotation.job
    return path.format(
        job_id=job.public_id,
        public_id=annotation.public_id,
        inchikey_first_block=annotation.candidates.get(rank=1).molecule.inchikey_first_block,
        id=annotation.spectrum.upload_id,
        index=annotation.spectrum.source_index,
        name=job.library_version.library.name,
        number=job.library_version.number,
        export_id=Export.objects.get_or_create(job=job, requested_by=job.submitted_by)[0].public_id,
    )


def call(client: APIClient, operation: str, method: str, address: str) -> Any:
    headers = {"Idempotency-Key": uuid4().hex, "If-Match": '"outdated"'}
    body = WRITES[operation].body if operation in WRITES else None
    if body is None:
        return getattr(client, method)(address, headers=headers)
    return getattr(client, method)(address, body, format="json", headers=headers)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    from annotation.api.views import annotate

    settings.GLMR_TOKEN_TRIES = 10_000  # the tests send many unusable tokens
    monkeypatch.setattr(annotate, "LONGEST_WAIT_S", 0)


def test_each_operation_that_writes_is_in_the_table() -> None:
    assert {operation for operation, method, _ in OPERATIONS if method != "get"} == set(WRITES)


@pytest.mark.parametrize(("operation", "method", "path"), OPERATIONS, ids=lambda value: value)
def test_members_may_do_what_their_role_and_scopes_allow(
    world: World, annotation: Annotation, operation: str, method: str, path: str
) -> None:
    address = filled(path, annotation)
    needed = WRITES.get(operation, Operation(Role.VIEWER, Scope.READ))
    order = list(Role)
    for role in reversed(order):  # the strongest last, because it may delete the upload
        answer = call(world.client(role), operation, method, address)
        if order.index(role) >= order.index(needed.role):
            assert answer.status_code not in REFUSED, (role, answer.content)
        else:
            assert answer.status_code == 403, (role, answer.content)
    for scope in Scope:
        answer = call(world.client(Role.MANAGER, [scope]), operation, method, address)
        assert (answer.status_code == 403) == (scope != needed.scope), (scope, answer.content)


@pytest.mark.parametrize(("operation", "method", "path"), OPERATIONS, ids=lambda value: value)
def test_others_get_nothing(
    world: World, annotation: Annotation, operation: str, method: str, path: str
) -> None:
    address = filled(path, annotation)
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
        if "{" in path or method != "get":
            assert answer.status_code in (403, 404, 422), (operation, answer.content)
            assert "secret-order" not in answer.content.decode()
        else:
            assert answer.status_code == 200, answer.content
            assert answer.json()["results"] == [] or "secret-order" not in answer.content.decode()
            assert str(annotation.job.public_id) not in answer.content.decode()
            assert '"Private"' not in answer.content.decode()


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
