"""What all operations share: sparse answers, compression, conditional requests, headers, help on problems."""

from __future__ import annotations

import gzip
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

from annotation.api.deprecation import deprecated
from annotation.api.views.base import View
from annotation.jobs import ledger
from annotation.models import Annotation, Job, JobItem
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_job

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def job(world: World) -> Job:
    return make_job(2, world.project, world.user, model_version=world.model, library_version=world.version)


@pytest.fixture
def annotation(job: Job) -> Annotation:
    return make_annotation(job.items.get(position=0))


def test_sparse_answers(client: APIClient, job: Job) -> None:
    row = client.get(f"/api/v1/jobs/{job.public_id}?fields=state,id").json()
    assert row == {"id": str(job.public_id), "state": "queued"}
    page = client.get("/api/v1/jobs?fields=id&limit=1").json()
    assert page == {"next": None, "previous": None, "results": [{"id": str(job.public_id)}]}


@pytest.mark.parametrize("path", ["jobs", "jobs/{id}", "jobs/{id}/results", "features", "models"])
def test_sparse_answers_refuse_unknown_fields(client: APIClient, job: Job, path: str) -> None:
    answer = client.get(f"/api/v1/{path.format(id=job.public_id)}?fields=unheard")
    assert answer.status_code == 422, answer.content
    assert answer.json()["errors"][0]["pointer"] == "/fields"
    assert answer.json()["errors"][0]["detail"].startswith("unheard: unknown field.")


def test_links_to_further_pages_keep_the_fields(world: World, client: APIClient) -> None:
    for _ in range(2):
        make_job(1, world.project, world.user)
    page = client.get("/api/v1/jobs?fields=id&limit=1").json()
    assert set(client.get(page["next"]).json()["results"][0]) == {"id"}


def test_compression_for_machines(world: World, client: APIClient, annotation: Annotation) -> None:
    address = f"/api/v1/annotations/{annotation.public_id}"
    answer = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip"
    plain = client.get(address)
    assert "Content-Encoding" not in plain
    assert json.loads(gzip.decompress(answer.content)) == plain.json()
    # Compression makes the ETag weak. It still names what the curator saw.
    verdict = {"decision": "reject", "reason": "Noise."}
    headers = {"If-Match": answer["ETag"]}
    assert client.post(f"{address}/verdicts", verdict, format="json", headers=headers).status_code == 201
    browser = APIClient()
    browser.force_login(world.user)
    assert "Content-Encoding" not in browser.get(address, headers={"Accept-Encoding": "gzip"})


def test_a_job_is_cancelled_only_as_it_was_seen(client: APIClient, job: Job) -> None:
    address = f"/api/v1/jobs/{job.public_id}"
    seen = client.get(address)["ETag"]
    assert client.get(address, headers={"If-None-Match": seen}).status_code == 200  # still open
    ledger.touch([job.pk])
    answer = client.post(f"{address}/cancel", headers={"If-Match": seen})
    assert answer.status_code == 412
    assert client.post(f"{address}/cancel", headers={"If-Match": answer["ETag"]}).status_code == 200
    ended = client.get(address)["ETag"]
    assert client.get(address, headers={"If-None-Match": ended}).status_code == 304


def test_errors_of_a_job_are_counted(client: APIClient, annotation: Annotation) -> None:
    job = annotation.job
    job.items.filter(position=1).update(state=JobItem.State.FAILED, error_code="worker_died", attempts=3)
    known = client.get(f"/api/v1/jobs/{job.public_id}").json()["progress"]
    assert (known["error_codes"], known["attempts"]) == ({"worker_died": 1}, 3)


def test_results_are_streamed_as_lines(client: APIClient, annotation: Annotation) -> None:
    address = f"/api/v1/jobs/{annotation.job.public_id}/results"
    answer = client.get(f"{address}.ndjson?top=2")
    assert answer["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert lines == client.get(f"{address}?top=2").json()["results"]
    assert len(client.get(f"{address}.ndjson?state=done").getvalue().splitlines()) == 1
    assert client.get(f"{address}.ndjson?smarts=((").status_code == 422
    assert client.get(f"{address}.ndjson?stat=done").status_code == 422


def test_pictures(client: APIClient, annotation: Annotation) -> None:
    block = annotation.candidates.get(rank=1).molecule.inchikey_first_block
    addresses = [
        f"/api/v1/annotations/{annotation.public_id}/candidates/{block}/structure.svg",
        f"/api/v1/uploads/{annotation.spectrum.upload_id}/spectra/{annotation.spectrum.source_index}/spectrum.svg",
    ]
    for address in addresses:
        answer = client.get(address)
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
        assert b"<svg" in answer.content


def test_a_deprecated_operation_says_so(world: World) -> None:
    class Old(View):
        @extend_schema(
            deprecated=True, extensions=deprecated(since=date(2026, 1, 1), sunset=date(2026, 7, 1))
        )
        def get(self, request: Request) -> Response:
            return Response({})

    request = APIRequestFactory().get("/")
    force_authenticate(request, world.user)
    answer = Old.as_view()(request)
    assert answer["Deprecation"] == "@1767225600"
    assert answer["Sunset"] == "Wed, 01 Jul 2026 00:00:00 GMT"


def test_each_problem_has_its_part_of_the_help() -> None:
    page = (ROOT / "docs/reference/problems.md").read_text()
    documented = set(re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE))
    sources = "".join(path.read_text() for path in (ROOT / "annotation/api").rglob("*.py"))
    used = set(re.findall(r'code="([a-z-]+)"', sources)) | {"readers-busy", "too-many-files"}
    assert documented == used


def test_the_schema_declares_headers_and_the_server() -> None:
    generator: Any = SchemaGenerator
    document = generator().get_schema(request=None, public=True)
    assert document["servers"][0]["url"] == "/"
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["security"]
            for status, answer in operation["responses"].items():
                headers = answer["headers"]
                assert status == "401" or "RateLimit-Limit" in headers
                assert status not in ("202", "429", "503") or "Retry-After" in headers
    submitted = document["paths"]["/api/v1/jobs"]["post"]["responses"]["202"]["headers"]
    assert {"Location", "Idempotent-Replayed"} <= set(submitted)
