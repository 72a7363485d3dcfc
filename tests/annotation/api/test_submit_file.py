"""POST /jobs with a file, and dry runs."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from annotation.models import Job, Spectrum, Upload
from tests.annotation.api.world import World

MGF = b"""BEGIN IONS
TITLE=first
PEPMASS=181.0495
CHARGE=1+
ADDUCT=[M+H]+
65.0386 12
121.0284 100
END IONS
BEGIN IONS
TITLE=second
CHARGE=1+
121.0284 100
END IONS
"""


def post(client: APIClient, world: World, content: bytes = MGF, query: str = "", **fields: Any) -> Any:
    body = {
        "library": world.version.library.name,
        "file": SimpleUploadedFile("batch.mgf", content),
        **fields,
    }
    return client.post(
        f"/api/v1/jobs{query}", body, format="multipart", headers={"Idempotency-Key": fields.get("name", "k")}
    )


def test_a_file_becomes_a_job(world: World, client: APIClient) -> None:
    answer = post(client, world, params='{"beam_size": 3}', external_id="run-3")
    assert answer.status_code == 202, answer.json()
    body = answer.json()
    assert (body["name"], body["progress"]["total"], body["params"]["beam_size"]) == ("run-3", 1, 3)
    assert body["report"]["format"] == "mgf"
    (issue,) = body["report"]["issues"]
    assert (issue["pointer"], issue["code"]) == ("", "no_precursor")
    assert "line" in issue["position"]


def test_a_quantification_table_beside_a_file(world: World, client: APIClient) -> None:
    labelled = MGF.replace(b"TITLE=first", b"TITLE=first\nFEATURE_ID=7")
    table = b"row ID,row m/z,A.mzML Peak area,\n7,181.0495,1200.5,\n"

    def quantities() -> SimpleUploadedFile:
        return SimpleUploadedFile("batch_quant.csv", table)

    report = post(client, world, labelled, "?dry_run=true", quantities=quantities()).json()
    assert "quantities_read" in [issue["code"] for issue in report["issues"]]
    answer = post(client, world, labelled, quantities=quantities())
    assert answer.status_code == 202, answer.json()
    feature = Upload.objects.latest("pk").features.get()
    assert feature.quantities == {"row m/z": "181.0495", "A.mzML Peak area": "1200.5"}


def test_the_upload_can_be_read(world: World, client: APIClient) -> None:
    upload = client.get(post(client, world).json()["upload"]).json()
    assert (upload["n_found"], upload["n_usable"], upload["state"]) == (2, 1, "ready")
    issues = client.get(f"{upload['url']}/issues").json()["results"]
    assert [issue["source_index"] for issue in issues] == [1]


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02", b"no spectra here", b"\x1f\x8b\x08\x00broken", b"%PDF-1.7"]
)
def test_an_unreadable_file_is_422(world: World, client: APIClient, content: bytes) -> None:
    answer = post(client, world, content)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert Upload.objects.get().state == Upload.State.REFUSED
    assert not Job.objects.exists()


def test_a_missing_file_is_422(world: World, client: APIClient) -> None:
    body = {"library": world.version.library.name}
    answer = client.post("/api/v1/jobs", body, format="multipart", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/file"]


@pytest.mark.parametrize("params", ["{", '{"beam_size": "many"}', "[]", "5"])
def test_invalid_params_are_422(world: World, client: APIClient, params: str) -> None:
    answer = post(client, world, params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/params")


def test_a_dry_run_stores_nothing(world: World, client: APIClient) -> None:
    answer = post(client, world, query="?dry_run=1")
    assert answer.status_code == 200, answer.json()
    report = answer.json()
    assert (report["format"], report["n_found"], report["n_usable"], report["n_rejected"]) == ("mgf", 2, 1, 1)
    assert report["issues"][0]["remedy"]
    assert [model.objects.count() for model in (Job, Upload, Spectrum)] == [0, 0, 0]


def test_a_dry_run_needs_no_key(world: World, client: APIClient) -> None:
    answer = client.post("/api/v1/jobs?dry_run=1", world.job(), format="json")
    assert (answer.status_code, answer.json()["n_usable"]) == (200, 1)


def test_a_dry_run_of_an_unreadable_file_is_422(world: World, client: APIClient) -> None:
    answer = post(client, world, b"", query="?dry_run=true")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/file"


def test_sample_priority_and_the_repeated_job(world: World, client: APIClient) -> None:
    first = post(client, world, name="first", sample="S-17", priority="interactive").json()
    assert (first["priority"], first["repeats"]) == ("interactive", None)
    assert client.get(first["upload"]).json()["sample"] == "S-17"
    (result,) = client.get(first["links"]["results"]).json()["results"]
    assert result["sample"] == "S-17"
    second = post(client, world, name="second", repeats=first["id"]).json()
    assert (second["priority"], second["repeats"]) == ("batch", first["id"])
    unknown = post(client, world, name="third", repeats="00000000-0000-0000-0000-000000000000")
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["pointer"] == "/repeats"


def test_a_dry_run_has_the_summary_of_the_report(world: World, client: APIClient) -> None:
    dry = post(client, world, query="?dry_run=1", params='{"adduct_policy": "enforced"}').json()
    assert dry["preflight"]["action"] == "Nothing can be annotated yet (1 has no adduct for its ion mode)"
    assert [obstacle["code"] for obstacle in dry["preflight"]["obstacles"]] == ["no_enforced_adduct"]
    report = post(client, world, name="stored", params='{"adduct_policy": "enforced"}').json()["report"]
    assert report["preflight"] == dry["preflight"]
