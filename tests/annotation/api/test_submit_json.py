"""POST /jobs with spectra in the body."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from annotation.models import Job, Library, Spectrum, Upload
from tests.annotation.api.world import ASPIRIN, World
from tests.annotation.builders import make_importing_version, make_project


def post(client: APIClient, body: Any, key: str = "", address: str = "/api/v1/jobs") -> Any:
    return client.post(address, body, format="json", headers={"Idempotency-Key": key or uuid4().hex})


def test_accepted_with_the_address_of_the_job(world: World, client: APIClient) -> None:
    answer = post(client, world.job(name="Run 12", external_id="run-12"))
    assert answer.status_code == 202, answer.json()
    body = answer.json()
    job = Job.objects.get()
    assert answer["Location"] == body["links"]["self"] == f"http://testserver/api/v1/jobs/{job.public_id}"
    assert int(answer["Retry-After"]) >= 2
    assert (body["state"], body["progress"]["total"], body["external_id"]) == ("queued", 1, "run-12")
    assert body["library"] == {
        "name": world.version.library.name,
        "version": 1,
        "content_sha256": world.version.content_sha256,
    }
    assert client.get(answer["Location"]).json()["name"] == "Run 12"


def test_spectra_are_stored_unchanged(world: World, client: APIClient) -> None:
    post(client, world.job())
    spectrum = Spectrum.objects.get()
    assert [list(p) for p in zip(spectrum.mz, spectrum.intensity, strict=True)] == ASPIRIN["peaks"]
    assert (spectrum.external_id, spectrum.adduct, spectrum.project) == ("vial-7", "[M+H]+", world.project)


def test_a_bad_spectrum_is_reported_and_the_others_are_used(world: World, client: APIClient) -> None:
    bad = [{**ASPIRIN, "peaks": []}, {**ASPIRIN, "precursor_mz": None}, "nonsense", {**ASPIRIN, "peaks": 5}]
    answer = post(client, world.job(spectra=[bad[0], ASPIRIN, *bad[1:]]))
    assert answer.status_code == 202, answer.json()
    report = answer.json()["report"]
    assert (report["n_found"], report["n_usable"], report["n_rejected"]) == (5, 1, 4)
    assert [issue["pointer"] for issue in report["issues"]] == [
        "/spectra/0/peaks",
        "/spectra/2/precursor_mz",
        "/spectra/3",
        "/spectra/4/peaks",
    ]
    assert all(issue["detail"] and issue["remedy"] for issue in report["issues"])
    assert answer.json()["progress"]["total"] == 1


def test_nothing_usable_is_422_and_the_report_is_stored(world: World, client: APIClient) -> None:
    answer = post(client, world.job(spectra=[{**ASPIRIN, "peaks": []}]))
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/spectra/0/peaks"]
    assert not Job.objects.exists()
    assert client.get(answer.json()["upload"]).json()["n_rejected"] == 1


def test_params_reach_the_job(world: World, client: APIClient) -> None:
    params = {"precursor_tolerance_ppm": 5, "assumed_adducts": {"positive": "M+H"}}
    answer = post(client, world.job(params=params))
    stored = answer.json()["params"]
    assert stored["precursor_tolerance_ppm"] == 5.0
    assert stored["assumed_adducts"] == {"positive": "[M+H]+"}
    assert (stored["n_candidates"], stored["method"]) == (40, "fused")


def test_the_method_can_be_chosen(world: World, client: APIClient) -> None:
    assert post(client, world.job(params={"method": "glmr"})).json()["params"]["method"] == "glmr"


def test_an_unknown_method_is_422_with_the_known_ones(world: World, client: APIClient) -> None:
    (error,) = post(client, world.job(params={"method": "mystery"})).json()["errors"]
    assert error["pointer"] == "/params/method"
    assert all(method in error["detail"] for method in ("mystery", "fused", "glmr"))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"spectra": []}, "/spectra"),
        ({"spectra": None}, "/spectra"),
        ({"library": "nowhere"}, "/library"),
        ({"library": None}, "/library"),
        ({"library": "nul \x00"}, "/library"),
        ({"library_version": 99}, "/library_version"),
        ({"model": "nobody"}, "/model"),
        ({"project": "elsewhere"}, "/project"),
        ({"params": {"beam_size": 0}}, "/params/beam_size"),
        ({"params": {"beams": 5}}, "/params/beams"),
        ({"params": {"precursor_tolerance_ppm": "NaN"}}, "/params/precursor_tolerance_ppm"),
        ({"params": {"assumed_adducts": {"positive": "[M-H]-"}}}, "/params/assumed_adducts/positive"),
        ({"params": [1]}, "/params"),
        ({"name": "x" * 201}, "/name"),
    ],
)
def test_an_invalid_field_has_a_pointer(
    world: World, client: APIClient, change: dict[str, Any], pointer: str
) -> None:
    answer = post(client, world.job(**change))
    assert answer.status_code == 422, answer.json()
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Upload.objects.exists()


@pytest.mark.parametrize("body", [[], "text", None, 5, [1]])
def test_a_body_that_is_not_an_object(world: World, client: APIClient, body: Any) -> None:
    assert post(client, body).status_code in (400, 422)


@pytest.mark.parametrize("body", [b"{", b'{"library": NaN}', b"[" * 100_000, b"\xff\xfe", b""])
def test_a_body_that_is_not_json(client: Any, body: bytes) -> None:
    answer = client.generic(
        "POST", "/api/v1/jobs", body, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"


def test_too_much_json_is_413(world: World, client: APIClient, settings: Any) -> None:
    settings.GLMR_MAX_JSON_BYTES = 100
    answer = post(client, world.job())
    assert answer.status_code == 413
    assert "100" in answer.json()["detail"]


def test_a_pinned_version_that_is_not_ready_is_refused_before_storing(
    world: World, client: APIClient
) -> None:
    version = make_importing_version(world.version.library)
    answer = post(client, world.job(library_version=version.number))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/library_version"]
    assert not Upload.objects.exists()


def test_choices_name_no_library_of_another_project(world: World, client: APIClient) -> None:
    Library.objects.create(name="Private", project=make_project())
    detail = post(client, world.job(library="nowhere")).json()["detail"]
    assert f"Choices: {world.version.library.name}." in detail
    assert "Private" not in detail


def test_the_model_can_be_chosen_by_hash(world: World, client: APIClient) -> None:
    answer = post(client, world.job(model=world.model.checkpoint_sha256[:12], library_version=1))
    assert answer.json()["model"]["checkpoint_sha256"] == world.model.checkpoint_sha256
