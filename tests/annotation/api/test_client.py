"""The OpenAPI schema as client generators see it: good names, and a generated client that works."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from annotation.review.actions import decide
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_job

NAME = "glmr_generated_client"
# Names that drf-spectacular or a careless class name would give: of pages, of requests, of enums.
BAD_NAME = re.compile(
    r"PageOf|RequestRequest|Shape|Whole|EmbeddedFor|Asked|Retried|Serializer|Enum[0-9A-F]|[0-9a-f]{3,}Enum|\d$"
)
# drf-spectacular names the empty choice so; it has no setting for that.
KNOWN_ENUMS = ["BlankEnum", "NullEnum"]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    answer = Client().get("/api/v1/schema", headers={"Accept": "application/json"})
    document: dict[str, Any] = answer.json()
    return document


def test_component_names_are_nouns_for_a_client(schema: dict[str, Any]) -> None:
    names = list(schema["components"]["schemas"])
    assert [name for name in names if BAD_NAME.search(name)] == []
    assert [name for name in names if name.endswith("Enum")] == KNOWN_ENUMS
    assert {"Job", "JobItem", "Annotation", "AnnotationDetail", "PaginatedJobList", "Verdict"} < set(names)


def test_every_operation_has_a_name_and_a_described_tag(schema: dict[str, Any]) -> None:
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"]) for operation in operations)
    described = {tag["name"] for tag in schema["tags"]}
    assert {tag for operation in operations for tag in operation["tags"]} == described


def run(*command: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def generated(schema: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a generated client package. The generator fails if it leaves anything out."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "schema.json").write_text(json.dumps(schema))
    # The generator has no parser for these: a client gets the bytes.
    overrides = dict.fromkeys(("image/svg+xml", "application/x-ndjson"), "application/octet-stream")
    # Only the generator is tested here: its default hooks let the ruff of this project rewrite the client.
    settings = {"post_hooks": [], "content_type_overrides": overrides}
    (folder / "config.json").write_text(json.dumps(settings))
    files = ["--path", "schema.json", "--config", "config.json", "--output-path", NAME]
    run("openapi_python_client", "generate", *files, "--meta", "none", "--fail-on-warning", folder=folder)
    return folder


@pytest.fixture
def package(generated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(generated))
    yield importlib.import_module(NAME)
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.mark.slow
def test_the_generated_client_has_every_operation(schema: dict[str, Any], package: ModuleType) -> None:
    modules = {
        module.name for module in pkgutil.walk_packages(package.__path__, f"{NAME}.") if not module.ispkg
    }
    for name in modules:
        importlib.import_module(name)
    operations = {
        operation["operationId"] for path in schema["paths"].values() for operation in path.values()
    }
    assert operations <= {name.rpartition(".")[2] for name in modules if name.startswith(f"{NAME}.api.")}


@pytest.mark.slow
def test_the_generated_client_type_checks(generated: Path) -> None:
    # An empty name of a configuration file: not the settings of this project.
    run("mypy", "--config-file=", "--cache-dir=.cache", NAME, folder=generated)


@pytest.mark.slow
@pytest.mark.django_db
def test_the_generated_client_reads_answers(world: World, client: APIClient, package: ModuleType) -> None:
    job = make_job(1, world.project, world.user, model_version=world.model, library_version=world.version)
    annotation = make_annotation(job.items.get(), fused=True)
    decide(annotation=annotation, user=world.user, decision="reject", reason="Noise.", seen_verdict_id=None)
    models = importlib.import_module(f"{NAME}.models")
    addresses = {
        f"/api/v1/jobs/{job.public_id}": models.Job,
        f"/api/v1/jobs/{job.public_id}/results": models.PaginatedResultList,
        f"/api/v1/annotations/{annotation.public_id}": models.AnnotationDetail,
        "/api/v1/libraries": models.PaginatedLibraryList,
        "/api/v1/status": models.ServerStatus,
        "/api/v1/nothing": models.Problem,
    }
    for address, model in addresses.items():
        answer = client.get(address).json()
        assert set(model.from_dict(answer).to_dict()) == set(answer)
