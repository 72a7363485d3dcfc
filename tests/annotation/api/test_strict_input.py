"""Every operation of the OpenAPI schema refuses fields and parameters that it does not have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings
from rest_framework.test import APIClient

from annotation.api.serializers.submissions import EVIDENCE_CHANNELS
from annotation.models import Annotation, Job
from tests.annotation.api.test_submit_file import MGF
from tests.annotation.api.world import ASPIRIN, World, filled, make_private_result
from tests.annotation.builders import make_job

STRANGE = "unheard_of"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    generator: Any = SchemaGenerator
    schema: dict[str, Any] = generator().get_schema(request=None, public=True)
    return schema


def operations() -> list[tuple[str, str]]:
    generator: Any = SchemaGenerator
    paths = generator().get_schema(request=None, public=True)["paths"]
    return [(method, path) for path, item in paths.items() for method in item]


@pytest.fixture
def annotation(world: World) -> Annotation:
    return make_private_result(world, "ours")


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def send(client: APIClient, method: str, address: str, body: Any = None) -> Any:
    headers = {"Idempotency-Key": uuid4().hex, "If-Match": "*"}
    if body is None:
        return getattr(client, method)(address, headers=headers)
    return getattr(client, method)(address, body, format="json", headers=headers)


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.content
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(("method", "path"), operations())
def test_an_unknown_parameter(client: APIClient, annotation: Annotation, method: str, path: str) -> None:
    answer = send(client, method, f"{filled(path, annotation)}?{STRANGE}=1")
    assert pointers(answer)[f"/{STRANGE}"].startswith(f"{STRANGE}: unknown parameter.")


WITH_A_BODY = [
    (method, path)
    for method, path in operations()
    if method in ("post", "put", "patch") and path != "/api/v1/parts/{part_id}"  # bytes have no fields
]


@pytest.mark.parametrize(("method", "path"), WITH_A_BODY)
def test_an_unknown_field_at_each_depth(
    document: dict[str, Any], client: APIClient, annotation: Annotation, method: str, path: str
) -> None:
    bodies = document["paths"][path][method].get("requestBody", {}).get("content", {})
    schema = bodies.get("application/json", {}).get("schema", {})
    address = filled(path, annotation)
    jobs = Job.objects.count()
    for pointer, body in strange_bodies(document, schema):
        answer = send(client, method, address, body)
        if answer.status_code == 412:  # If-Match is checked before the body is looked at
            answer = client.post(
                address, body, format="json", headers={"If-Match": current_tag(client, annotation)}
            )
        assert pointer in pointers(answer), (pointer, body)
    assert Job.objects.count() == jobs


def current_tag(client: APIClient, annotation: Annotation) -> str:
    return str(client.get(f"/api/v1/annotations/{annotation.public_id}")["ETag"])


def strange_bodies(document: dict[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each body has one unknown field: at the top, or in one of the objects and lists of objects inside."""
    schema = resolved(document, schema)
    yield f"/{STRANGE}", {STRANGE: 1}
    for name, part in schema.get("properties", {}).items():
        part = resolved(document, part)
        if part.get("type") == "array" and "properties" in resolved(document, part["items"]):
            for pointer, body in strange_bodies(document, part["items"]):
                yield f"/{name}/0{pointer}", {name: [body]}
        elif "properties" in part:
            for pointer, body in strange_bodies(document, part):
                yield f"/{name}{pointer}", {name: body}


def resolved(document: dict[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for part in schema.get("allOf", ()):
        schema = part
    if "$ref" in schema:
        return resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return schema


def test_the_nearest_name_is_stated(world: World, client: APIClient) -> None:
    answer = send(client, "post", "/api/v1/jobs", world.job(library_verson=1))
    assert pointers(answer) == {
        "/library_verson": "library_verson: unknown field. Did you mean library_version?"
    }
    answer = send(client, "post", "/api/v1/jobs?dryrun=true", world.job())
    assert pointers(answer) == {"/dryrun": "dryrun: unknown parameter. Did you mean dry_run?"}
    assert not Job.objects.exists()


def test_errors_of_known_and_unknown_fields_come_together(world: World, client: APIClient) -> None:
    body = world.job(libary="x", params={"bem_size": 1, "beam_size": 0})
    del body["library"]
    found = pointers(send(client, "post", "/api/v1/jobs", body))
    assert set(found) == {"/libary", "/library", "/params/bem_size", "/params/beam_size"}


def test_an_unknown_field_of_a_form(world: World, client: APIClient) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    body = {
        "library": world.version.library.name,
        "file": SimpleUploadedFile("a.mgf", MGF),
        "librari": "x",
        "params": json.dumps({"sed": 1}),
    }
    answer = client.post("/api/v1/jobs", body, format="multipart", headers={"Idempotency-Key": "k"})
    assert set(pointers(answer)) == {"/librari", "/params/sed"}


def test_names_of_other_formats_are_known_in_spectra(world: World, client: APIClient) -> None:
    spectrum = {"PEPMASS": 181.0495, "Precursor_Type": "[M+H]+", "peaks": ASPIRIN["peaks"]}
    assert send(client, "post", "/api/v1/jobs", world.job(spectra=[spectrum])).status_code == 202
    found = pointers(send(client, "post", "/api/v1/jobs", world.job(spectra=[ASPIRIN, {"precusor_mz": 1}])))
    assert found["/spectra/1/precusor_mz"].endswith("Did you mean precursor_mz?")


def test_only_the_first_of_many_errors_are_listed(world: World, client: APIClient) -> None:
    spectra = [{f"x{number}_{'y' * 1000}": 1} for number in range(2000)]
    assert len(pointers(send(client, "post", "/api/v1/jobs", world.job(spectra=spectra)))) == 100
    body = world.job(**{f"x{number}": 1 for number in range(2000)})
    assert len(pointers(send(client, "post", "/api/v1/jobs", body))) == 100


def test_a_misspelt_filter_of_an_export(client: APIClient, annotation: Annotation) -> None:
    address = f"/api/v1/jobs/{annotation.job.public_id}/exports"
    found = pointers(send(client, "post", address, {"format": "csv", "filter": "stat=done"}))
    assert found == {"/filter": "stat: unknown parameter. Did you mean state?"}


def test_an_operation_without_a_body(client: APIClient, annotation: Annotation) -> None:
    address = f"/api/v1/jobs/{annotation.job.public_id}/cancel"
    assert set(pointers(send(client, "post", address, {"why": "x"}))) == {"/why"}
    assert set(pointers(send(client, "post", address, [1]))) == {""}
    assert send(client, "post", address, {}).status_code == 200


def test_a_value_that_is_no_boolean(world: World, client: APIClient) -> None:
    assert set(pointers(send(client, "post", "/api/v1/jobs?dry_run=maybe", world.job()))) == {"/dry_run"}


def test_parameters_of_an_answer_can_be_sent_back(world: World, client: APIClient) -> None:
    first = send(client, "post", "/api/v1/jobs", world.job(params={"seed": 7, "method": "glmr"})).json()
    second = send(client, "post", "/api/v1/jobs", world.job(params=first["params"])).json()
    assert second["params"] == first["params"]
    ours, theirs = Job.objects.filter(public_id__in=[first["id"], second["id"]])
    assert ours.params_sha256 == theirs.params_sha256


def test_parameters_of_an_old_job_repeat_what_it_did(world: World, client: APIClient) -> None:
    job = make_job(1, world.project, world.user, model_version=world.model, library_version=world.version)
    Job.objects.filter(pk=job.pk).update(params={"seed": 3})
    params = client.get(f"/api/v1/jobs/{job.public_id}").json()["params"]
    assert (params["method"], params["seed"], params["syntax_constraint"]) == ("glmr", 3, False)
    assert send(client, "post", "/api/v1/jobs", world.job(params=params)).json()["params"] == params


def test_the_channels_are_those_of_the_ranking() -> None:
    from models_ml.ranking.features import CHANNELS

    assert EVIDENCE_CHANNELS == CHANNELS


@pytest.mark.parametrize("slug", ["a\0b", "\ud800", " ", ["a"], {"a": 1}, 5])
@pytest.mark.parametrize("path", ["webhooks", "service-accounts"])
def test_a_project_that_is_no_slug(client: APIClient, path: str, slug: object) -> None:
    """PostgreSQL refuses NUL and lone surrogates, which must not become an error of the server."""
    answer = client.post(f"/api/v1/{path}", json.dumps({"project": slug}), content_type="application/json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/project")
