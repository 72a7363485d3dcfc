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
    failed = {"state": JobItem.State.FAILED, "error_code": "no_adduct", "error": "It names no adduct."}
    job.items.filter(position=1).update(**failed)
    return job


def test_one_row_a_spectrum_whatever_became_of_it(job: Job, client: APIClient) -> None:
    rows = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    assert [(row["position"], row["state"]) for row in rows] == [(0, "done"), (1, "failed"), (2, "pending")]
    assert rows[1]["error"] == "It names no adduct."
    assert [row["annotation"] is None for row in rows] == [False, True, True]
    (best,) = rows[0]["annotation"]["candidates"]
    candidate = job.annotations.get().candidates.select_related("molecule").get(rank=1)
    assert best["smiles"] == candidate.molecule.smiles
    assert best["name"] == "compound 1"
    assert best["embedding_similarity"] == candidate.embedding_similarity
    assert rows[0]["annotation"]["adduct_assumed"] is True


def test_as_many_candidates_as_asked_for(job: Job, client: APIClient) -> None:
    (row, *_) = client.get(f"/api/v1/jobs/{job.public_id}/results?top=3").json()["results"]
    assert [candidate["rank"] for candidate in row["annotation"]["candidates"]] == [1, 2, 3]


@pytest.mark.parametrize("query", ["top=0", "top=201", "top=all", "state=maybe"])
def test_nonsense_is_422(job: Job, client: APIClient, query: str) -> None:
    assert client.get(f"/api/v1/jobs/{job.public_id}/results?{query}").status_code == 422


def test_only_one_state(job: Job, client: APIClient) -> None:
    rows = client.get(f"/api/v1/jobs/{job.public_id}/results?state=failed").json()["results"]
    assert [row["position"] for row in rows] == [1]


def test_counts_of_screen_rest_and_csv_agree(job: Job, client: APIClient) -> None:
    total = client.get(f"/api/v1/jobs/{job.public_id}").json()["progress"]["total"]
    rows = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    answer = client.get(f"/api/v1/jobs/{job.public_id}/results.csv?top=2")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert total == len(rows) == len({row["position"] for row in table}) == 3
    assert [(row["position"], row["rank"]) for row in table] == [("0", "1"), ("0", "2"), ("1", ""), ("2", "")]


@pytest.mark.parametrize("accept", ["text/csv", "*/*", "application/json"])
def test_csv_is_csv_whatever_is_asked(job: Job, client: APIClient, accept: str) -> None:
    answer = client.get(f"/api/v1/jobs/{job.public_id}/results.csv", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].endswith('.csv"')


def test_errors_of_csv_are_problems_too(job: Job, client: APIClient) -> None:
    answer = client.get(f"/api/v1/jobs/{job.public_id}/results.csv?top=0", headers={"Accept": "text/csv"})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == "/top"


def test_annotation_whole(job: Job, client: APIClient) -> None:
    (row, *_) = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    answer = client.get(row["annotation"]["url"])
    whole = answer.json()
    assert len(whole["candidates"]) == whole["n_candidates"] > 1
    assert whole["spectrum"]["peaks"][0] == [65.0386, 12.0]
    assert whole["generated"][0]["in_library"] is True
    assert whole["verdicts"] == []
    provenance = whole["provenance"]
    for name in (
        "checkpoint_sha256",
        "library_sha256",
        "params",
        "code_version",
        "rdkit_version",
        "submitted_by",
    ):
        assert name in provenance
    assert whole["job"].endswith(f"/api/v1/jobs/{job.public_id}")


def test_confidence_and_evidence_are_told(world: World, client: APIClient) -> None:
    item = make_job(1, world.project, world.user, library_version=world.version).items.get()
    annotation = make_annotation(item, fused=True)
    whole = client.get(f"/api/v1/annotations/{annotation.public_id}").json()
    assert (whole["method"], whole["p_right"], whole["p_close"], whole["p_absent"]) == (
        "fused", 0.62, 0.81, 0.07
    )  # fmt: skip
    assert whole["abstains"] is False
    assert whole["provenance"]["method"] == "fused"
    assert whole["candidates"][0]["probability"] == 0.62
    assert whole["candidates"][0]["evidence"] == {"fingerprint": 2.0, "fragments": 0.5}
    assert [one["is_proposed"] for one in whole["generated"]] == [False, True]
    (row,) = client.get(f"/api/v1/jobs/{item.job.public_id}/results").json()["results"]
    assert row["annotation"]["proposed_smiles"] == whole["proposed_smiles"] == ["CC(=O)Oc1cccc(C(=O)O)c1"]


def test_what_a_method_does_not_give_is_null(job: Job, client: APIClient) -> None:
    (row, *_) = client.get(f"/api/v1/jobs/{job.public_id}/results").json()["results"]
    annotation = row["annotation"]
    assert (annotation["method"], annotation["p_right"], annotation["abstains"]) == ("glmr", None, None)
    (best,) = annotation["candidates"]
    assert (best["probability"], best["evidence"]) == (None, {})


def test_unchanged_annotation_is_304(job: Job, client: APIClient) -> None:
    address = f"/api/v1/annotations/{job.annotations.get().public_id}"
    tag = client.get(address)["ETag"]
    answer = client.get(address, headers={"If-None-Match": f'"other", {tag}'})
    assert (answer.status_code, answer.content) == (304, b"")
