"""Libraries, models, status and the OpenAPI schema."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from annotation.models import Library, ReferenceCollection, WorkerHeartbeat
from tests.annotation.api.world import World
from tests.annotation.builders import (
    make_importing_version,
    make_library_version,
    make_reference_version,
)


def test_libraries_with_their_versions(world: World, client: APIClient) -> None:
    make_library_version(library=world.version.library)
    (library,) = client.get("/api/v1/libraries").json()["results"]
    assert [version["number"] for version in library["versions"]] == [2, 1]
    version = client.get(library["versions"][1]["url"]).json()
    assert version["n_molecules"] == world.version.n_molecules
    assert version["embeddings"][0]["checkpoint_sha256"] == world.model.checkpoint_sha256


def test_what_an_import_changed(world: World, client: APIClient) -> None:
    notes = [{"code": "isotopes_removed", "text": "Removed.", "count": 2, "examples": ["line 2", "line 3"]}]
    make_importing_version(Library.objects.create(name="Notes"), import_notes=notes)
    collection = ReferenceCollection.objects.create(name="Notes")
    make_reference_version(collection, import_notes=notes)
    assert client.get("/api/v1/libraries/Notes/versions/1").json()["import_notes"] == notes
    (shown,) = client.get("/api/v1/references").json()["results"]
    assert shown["versions"][0]["import_notes"] == notes


@pytest.mark.parametrize("name", ["Well-known molecules", "a/b", "100 % ü?"])
def test_a_library_of_any_name_has_an_address(world: World, client: APIClient, name: str) -> None:
    make_library_version(library=Library.objects.create(name=name))
    answer = client.get(f"/api/v1/libraries/{quote(name, safe='')}/versions/1")
    assert answer.json()["library"] == name
    assert client.get(answer.json()["url"]).status_code == 200


def test_models_with_their_hashes(world: World, client: APIClient) -> None:
    (model,) = client.get("/api/v1/models").json()["results"]
    assert model["checkpoint_sha256"] == world.model.checkpoint_sha256
    assert model["is_default"] is True


def test_without_a_worker_the_status_is_degraded(world: World, client: APIClient) -> None:
    status = client.get("/api/v1/status").json()
    assert status["database"]["ok"] is True
    assert status["state"] == "degraded"  # no worker
    assert status["model_loaded"] is False


def test_with_a_worker_the_status_is_ok(world: World, client: APIClient, redis_server: str) -> None:
    WorkerHeartbeat.objects.create(name="w1", device="cpu", model_version=world.model)
    status = client.get("/api/v1/status").json()
    assert status["broker"]["ok"] is True, status
    assert (status["state"], status["model_loaded"]) == ("ok", True)
    WorkerHeartbeat.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    assert client.get("/api/v1/status").json()["workers"][0]["alive"] is False


def test_a_worker_with_a_problem_does_not_count(world: World, client: APIClient, redis_server: str) -> None:
    WorkerHeartbeat.objects.create(name="w1", device="cpu", problem="The checkpoint is missing.")
    assert client.get("/api/v1/status").json()["state"] == "degraded"


def test_schema_is_complete_and_valid() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "spectacular",
            "--validate",
            "--fail-on-warn",
            "--format",
            "openapi-json",
        ],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["openapi"].startswith("3.1")
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert all("401" in operation["responses"] and operation["description"] for operation in operations)
    assert {"token": []} in operations[0]["security"]


@pytest.mark.django_db
def test_schema_and_docs_need_no_token_and_no_network() -> None:
    schema = Client().get("/api/v1/schema", headers={"Accept": "application/json"})
    assert schema.json()["info"]["title"] == "GLMR Server"
    response = Client().get("/api/v1/docs")
    assert "'unsafe-inline'" in response.headers["Content-Security-Policy"]  # Swagger UI styles its elements
    page = response.content.decode()
    assert "swagger-ui" in page
    assert "//cdn" not in page
    assert "<script>" not in page  # the content security policy forbids inline scripts


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        reference = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return reference.union(*(references(value) for value in node.values()))
    return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()


@pytest.mark.django_db
def test_every_reference_in_the_schema_has_a_component() -> None:
    document = Client().get("/api/v1/schema", headers={"Accept": "application/json"}).json()
    components = {
        f"#/components/{kind}/{name}" for kind, parts in document["components"].items() for name in parts
    }
    assert references(document) <= components
