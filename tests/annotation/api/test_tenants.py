"""Every operation in the OpenAPI schema is refused without a token and hides other projects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings
from rest_framework.test import APIClient

from annotation.accounts.models import Role
from annotation.models import Annotation, ApiToken
from tests.annotation.api.world import ASPIRIN, QUERIES, World, client_for, filled, make_private_result
from tests.annotation.builders import make_project, make_user


def operations() -> list[tuple[str, str]]:
    """Method and path of every operation in the schema."""
    generator: Any = SchemaGenerator
    paths = generator().get_schema(request=None, public=True)["paths"]
    return [(method, path) for path, item in paths.items() for method in item if method != "parameters"]


OPERATIONS = operations()
OF_AN_OBJECT = [(method, path) for method, path in OPERATIONS if "{" in path]


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture(autouse=True)
def _many_wrong_tokens(settings: Settings) -> None:
    """These tests send more of them from one address in a minute than the server accepts."""
    settings.GLMR_TOKEN_TRIES = 10_000


@pytest.fixture
def annotation(world: World) -> Annotation:
    return make_private_result(world)


def call(client: Any, method: str, address: str) -> Any:
    return getattr(client, method)(address, headers={"Idempotency-Key": "k"})


def test_the_schema_has_every_route() -> None:
    from annotation.api.urls import urlpatterns

    documented = {path for _, path in OPERATIONS}
    assert len(documented) == len([route for route in urlpatterns if route.name not in ("schema", "docs")])


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_a_token_401(annotation: Annotation, method: str, path: str) -> None:
    answer = call(APIClient(), method, filled(path, annotation))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_with_a_wrong_token_401(annotation: Annotation, method: str, path: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer glmr_00000000_wrong")
    assert call(client, method, filled(path, annotation)).status_code == 401


def outsiders() -> Iterator[APIClient | Client]:
    """A manager of another project, by token and by session."""
    user = make_user()
    yield client_for(make_project(user, Role.MANAGER), user)
    session = Client()
    session.force_login(user)
    yield session


@pytest.mark.parametrize(("method", "path"), OF_AN_OBJECT)
def test_objects_of_another_project_are_404(annotation: Annotation, method: str, path: str) -> None:
    for outsider in outsiders():
        answer = call(outsider, method, filled(path, annotation))
        assert answer.status_code == 404, path
        assert "Private" not in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path"), OF_AN_OBJECT)
def test_a_token_sees_only_its_project(world: World, annotation: Annotation, method: str, path: str) -> None:
    elsewhere = make_project(world.user, Role.MANAGER)
    assert call(client_for(elsewhere, world.user), method, filled(path, annotation)).status_code == 404


@pytest.mark.parametrize("path", [path for method, path in OPERATIONS if method == "get" and "{" not in path])
def test_lists_hide_other_projects(annotation: Annotation, path: str) -> None:
    filled("", annotation)  # makes an import, a webhook and more of the project
    for outsider in outsiders():
        answer = outsider.get(path + QUERIES.get(("get", path), ""))
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "Private" not in text
        assert str(annotation.job.public_id) not in text
        assert annotation.job.project.slug not in text


# An export changes nothing: who may read the results may have them as a file.
READING = ("/api/v1/jobs/{job_id}/exports",)


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path in OPERATIONS if method == "post" and path not in READING],
)
def test_viewers_and_read_only_tokens_cannot_write(
    world: World, annotation: Annotation, method: str, path: str
) -> None:
    for client in (world.client(Role.VIEWER), world.client(Role.MANAGER, [ApiToken.Scope.READ])):
        bodies = {
            "/api/v1/jobs": world.job(),
            "/api/v1/annotate": {"library": "Private", "spectrum": ASPIRIN},
        }
        body = bodies.get(path, {})
        answer = client.post(filled(path, annotation), body, format="json", headers={"Idempotency-Key": "k"})
        assert answer.status_code == 403, answer.json()


def test_a_library_of_another_project_cannot_be_used(annotation: Annotation) -> None:
    client = next(outsiders())
    assert isinstance(client, APIClient)
    body = {"library": "Private", "spectra": [{"precursor_mz": 100.0, "peaks": [[50.0, 1.0]]}]}
    answer = client.post("/api/v1/jobs", body, format="json", headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/library")
