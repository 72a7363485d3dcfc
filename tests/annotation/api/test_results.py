"""GET /jobs/<id>/results, results.csv and /annotations/<id>."""

from __future__ import annotations

import csv
import io

import pytest
from rest_framework.test import APIClient

from annotation.models import Job, JobItem
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_job


@pytest.fixture
def job(world: World) -> Job:
    """Three spectra: annotated, failed, still pending."""
    job = make_job(3, world.project, world.user, model_version=world.model, library_version=world.version)
    make_annotation(job.items.get(position=0), adduct_assumed=True)
    failed = {"state": JobItem.State.FAILED, "error_code": "no_adduct", "error": "No adduct."}
    job.items.filter(position=1).update(**failed)
    return job


def test_every_spectrum_has_a_row(job: Job, client: APIClient) -> None:
    rows = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    assert [(row["position"], row["state"]) for row in rows] == [(0, "done"), (1, "failed"), (2, "pending")]
    assert rows[1]["error"] == "No adduct."
    assert [row["annotation"] is None for row in rows] == [False, True, True]
    (best,) = rows[0]["annotation"]["candidates"]
    candidate = job.annotations.get().candidates.select_related("molecule").get(rank=1)
    assert best["smiles"] == candidate.molecule.smiles
    assert best["name"] == "compound 1"
    assert best["embedding_similarity"] == candidate.embedding_similarity
    assert rows[0]["annotation"]["adduct_assumed"] is True


def test_top_sets_the_number_of_candidates(job: Job, client: APIClient) -> None:
    (row, *_) = client.get(f"/api/v1/jobs/{job.public_id}/results?top=3").json()["results"]
    assert [candidate["rank"] for candidate in row["annotation"]["candidates"]] == [1, 2, 3]


@pytest.mark.parametrize("query", ["top=0", "top=201", "top=all", "state=maybe"])
def test_invalid_filters_are_422(job: Job, client: APIClient, query: str) -> None:
    assert client.get(f"/api/v1/jobs/{job.public_id}/results?{query}").status_code == 422


def test_by_state(job: Job, client: APIClient) -> None:
    rows = client.get(f"/api/v1/jobs/{job.public_id}/results?state=failed").json()["results"]
    assert [row["position"] for row in rows] == [1]


def test_progress_results_and_csv_have_the_same_count(job: Job, client: APIClient) -> None:
    total = client.get(f"/api/v1/jobs/{job.public_id}").json()["progress"]["total"]
    rows = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    answer = client.get(f"/api/v1/jobs/{job.public_id}/results.csv?top=2")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert total == len(rows) == len({row["position"] for row in table}) == 3
    assert [(row["position"], row["rank"]) for row in table] == [("0", "1"), ("0", "2"), ("1", ""), ("2", "")]


@pytest.mark.parametrize("accept", ["text/csv", "*/*", "application/json"])
def test_csv_for_any_accept_header(job: Job, client: APIClient, accept: str) -> None:
    answer = client.get(f"/api/v1/jobs/{job.public_id}/results.csv", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].endswith('.csv"')


def test_errors_of_the_csv_are_problem_details(job: Job, client: APIClient) -> None:
    answer = client.get(f"/api/v1/jobs/{job.public_id}/results.csv?top=0", headers={"Accept": "text/csv"})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == "/top"


def test_annotation_in_detail(job: Job, client: APIClient) -> None:
    (row, *_) = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    answer = client.get(row["annotation"]["url"])
    detail = answer.json()
    assert len(detail["candidates"]) == detail["n_candidates"] > 1
    assert detail["spectrum"]["peaks"][0] == [65.0386, 12.0]
    assert detail["generated"][0]["in_library"] is True
    assert detail["verdicts"] == []
    provenance = detail["provenance"]
    for name in (
        "checkpoint_sha256",
        "library_sha256",
        "params",
        "code_version",
        "rdkit_version",
        "submitted_by",
    ):
        assert name in provenance
    assert detail["job"].endswith(f"/api/v1/jobs/{job.public_id}")


def test_confidence_and_evidence(world: World, client: APIClient) -> None:
    item = make_job(1, world.project, world.user, library_version=world.version).items.get()
    annotation = make_annotation(item, fused=True)
    detail = client.get(f"/api/v1/annotations/{annotation.public_id}").json()
    assert (detail["method"], detail["p_right"], detail["p_close"], detail["p_absent"]) == (
        "fused", 0.62, 0.81, 0.07
    )  # fmt: skip
    assert detail["abstains"] is False
    assert detail["provenance"]["method"] == "fused"
    assert detail["candidates"][0]["probability"] == 0.62
    assert detail["candidates"][0]["evidence"] == {"fingerprint": 2.0, "fragments": 0.5}
    assert [molecule["is_proposed"] for molecule in detail["generated"]] == [False, True]
    (row,) = client.get(f"/api/v1/jobs/{item.job.public_id}/results").json()["results"]
    assert row["annotation"]["proposed_smiles"] == detail["proposed_smiles"] == ["CC(=O)Oc1cccc(C(=O)O)c1"]


def test_a_candidate_has_an_address_by_its_molecule(world: World, client: APIClient) -> None:
    item = make_job(1, world.project, world.user, library_version=world.version).items.get()
    annotation = make_annotation(item, fused=True)
    address = f"/api/v1/annotations/{annotation.public_id}"
    second = client.get(address).json()["candidates"][1]
    assert client.get(f"{address}/candidates/{second['inchikey_first_block']}").json() == second
    assert client.get(f"{address}/candidates/AAAAAAAAAAAAAA").status_code == 404


def test_values_that_the_method_does_not_give_are_null(job: Job, client: APIClient) -> None:
    (row, *_) = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    annotation = row["annotation"]
    assert (annotation["method"], annotation["p_right"], annotation["abstains"]) == ("glmr", None, None)
    (best,) = annotation["candidates"]
    assert (best["probability"], best["evidence"]) == (None, {})


def test_an_unchanged_annotation_is_304(job: Job, client: APIClient) -> None:
    address = f"/api/v1/annotations/{job.annotations.get().public_id}"
    tag = client.get(address)["ETag"]
    answer = client.get(address, headers={"If-None-Match": f'"other", {tag}'})
    assert (answer.status_code, answer.content) == (304, b"")
