"""Answers conform to the OpenAPI schema, checked with JSON Schema."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from annotation.models import Annotation, Export, JobItem
from tests.annotation.api.world import ASPIRIN, World, make_managed
from tests.annotation.builders import make_annotation, make_import, make_job


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    generator: Any = SchemaGenerator
    schema: dict[str, Any] = generator().get_schema(request=None, public=True)
    return schema


def check(document: dict[str, Any], method: str, path: str, answer: Any) -> None:
    """The schema declares the status and media type of the answer, and its body conforms."""
    declared = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in declared, f"{method} {path} answered {answer.status_code}"
    media_type = answer["Content-Type"].partition(";")[0]
    schema = declared[str(answer.status_code)]["content"][media_type]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


@pytest.fixture
def annotation(world: World) -> Annotation:
    job = make_job(2, world.project, world.user, model_version=world.model, library_version=world.version)
    job.items.filter(position=1).update(state=JobItem.State.FAILED, error_code="e", error="E.")
    return make_annotation(job.items.get(position=0))


GETS = (
    "/api/v1/jobs",
    "/api/v1/jobs/{job_id}",
    "/api/v1/jobs/{job_id}/items",
    "/api/v1/jobs/{job_id}/results",
    "/api/v1/jobs/{job_id}/exports",
    "/api/v1/exports/{export_id}",
    "/api/v1/annotations/{public_id}",
    "/api/v1/annotations/{public_id}/candidates/{inchikey_first_block}",
    "/api/v1/uploads/{id}",
    "/api/v1/uploads/{id}/issues",
    "/api/v1/projects",
    "/api/v1/libraries",
    "/api/v1/libraries/{name}/versions/{number}",
    "/api/v1/references",
    "/api/v1/imports",
    "/api/v1/imports/{import_id}",
    "/api/v1/models",
    "/api/v1/service-accounts",
    "/api/v1/service-accounts/{account_id}",
    "/api/v1/service-accounts/{account_id}/tokens",
    "/api/v1/tokens",
    "/api/v1/tokens/{prefix}",
    "/api/v1/webhooks",
    "/api/v1/webhooks/{webhook_id}",
    "/api/v1/webhooks/{webhook_id}/deliveries",
    "/api/v1/webhook-deliveries/{delivery_id}",
    "/api/v1/status",
)


@pytest.mark.parametrize("path", GETS)
def test_reading(
    document: dict[str, Any], world: World, client: APIClient, annotation: Annotation, path: str
) -> None:
    address = path.format(
        job_id=annotation.job.public_id,
        public_id=annotation.public_id,
        inchikey_first_block=annotation.candidates.get(rank=2).molecule.inchikey_first_block,
        id=annotation.spectrum.upload_id,
        name=world.version.library.name,
        number=world.version.number,
        import_id=make_import(world.user, project=world.project).public_id,
        export_id=Export.objects.create(job=annotation.job, requested_by=world.user, format="csv").public_id,
        **make_managed(world.project),
    )
    answer = client.get(address)
    assert answer.status_code == 200
    check(document, "get", path, answer)
    check(document, "get", path, APIClient().get(address))


@pytest.mark.parametrize("query", ["", "?dry_run=1"])
@pytest.mark.parametrize(
    "spectra", [[ASPIRIN], [ASPIRIN, {**ASPIRIN, "peaks": []}], [{**ASPIRIN, "peaks": []}], []]
)
def test_submitting(
    document: dict[str, Any], world: World, client: APIClient, spectra: list[Any], query: str
) -> None:
    body, headers = world.job(spectra=spectra), {"Idempotency-Key": uuid4().hex}
    answer = client.post(f"/api/v1/jobs{query}", body, format="json", headers=headers)
    check(document, "post", "/api/v1/jobs", answer)


def test_deciding(document: dict[str, Any], client: APIClient, annotation: Annotation) -> None:
    path, address = "/api/v1/annotations/{public_id}/verdicts", f"/api/v1/annotations/{annotation.public_id}"
    headers = {"If-Match": client.get(address)["ETag"]}
    for body, expected in (({}, 422), ({"decision": "accept"}, 201), ({"decision": "accept"}, 412)):
        answer = client.post(f"{address}/verdicts", body, format="json", headers=headers)
        assert answer.status_code == expected
        check(document, "post", path, answer)
    check(document, "post", path, client.post(f"{address}/verdicts", {}, format="json"))
    check(document, "get", "/api/v1/annotations/{public_id}", client.get(address))


@pytest.mark.parametrize("action", ["cancel", "resume", "retry"])
def test_cancel_resume_and_retry(
    document: dict[str, Any], client: APIClient, annotation: Annotation, action: str
) -> None:
    answer = client.post(f"/api/v1/jobs/{annotation.job.public_id}/{action}")
    check(document, "post", f"/api/v1/jobs/{{job_id}}/{action}", answer)
