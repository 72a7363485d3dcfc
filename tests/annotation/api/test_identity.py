"""Identifiers of the caller: stored, in every answer, found again, and unique where the caller asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from annotation.jobs import actions
from annotation.models import Feature, Job
from models_ml.outcomes import AnnotateParams
from tests.annotation.api.world import ASPIRIN, World
from tests.annotation.builders import make_job


def submit(client: APIClient, world: World, **body: Any) -> Any:
    return client.post(
        "/api/v1/jobs", world.job(**body), format="json", headers={"Idempotency-Key": uuid4().hex}
    )


def found(client: APIClient, address: str) -> list[Any]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return list(answer.json()["results"])


def test_spectra_and_features_are_found_by_their_identifiers(world: World, client: APIClient) -> None:
    spectra = [{**ASPIRIN, "external_id": "s-1", "sample_id": "vial 1"}, {**ASPIRIN, "external_id": "s-2"}]
    job = submit(client, world, spectra=spectra, sample="rack 9").json()
    for resource in ("spectra", "features"):
        (row,) = found(client, f"/api/v1/{resource}?sample_id=vial 1")
        spectrum = row.get("spectrum", row)
        assert (spectrum["external_id"], spectrum["sample_id"], spectrum["sample"]) == (
            "s-1",
            "vial 1",
            "vial 1",
        )
        (row,) = found(client, f"/api/v1/{resource}?external_id=s-2&sample_id=rack 9")
        assert row.get("spectrum", row)["sample"] == "rack 9"
        assert found(client, f"/api/v1/{resource}?external_id=s-1&sample_id=rack 9") == []
        assert len(found(client, f"/api/v1/{resource}")) == 2
    for sample in ("vial 1", "rack 9"):
        assert [row["id"] for row in found(client, f"/api/v1/jobs?sample_id={sample}")] == [job["id"]]
    assert found(client, "/api/v1/jobs?sample_id=vial 2") == []


def test_a_spectrum_with_its_peaks(world: World, client: APIClient) -> None:
    submit(client, world)
    (row,) = found(client, "/api/v1/spectra")
    assert "peaks" not in row
    assert client.get(row["url"]).json()["peaks"] == ASPIRIN["peaks"]


def test_others_find_nothing(world: World, client: APIClient) -> None:
    make_job(2)
    for resource in ("spectra", "features"):
        assert found(client, f"/api/v1/{resource}") == []
    feature = Feature.objects.order_by("pk")[0]
    assert client.get(f"/api/v1/uploads/{feature.upload_id}/spectra/0").status_code == 404


@pytest.mark.parametrize("resource", ["spectra", "features"])
def test_queries(
    world: World,
    client: APIClient,
    resource: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    make_job(20, world.project, world.user)
    with django_assert_max_num_queries(6):
        assert len(found(client, f"/api/v1/{resource}")) == 20


def test_a_unique_external_id(world: World, client: APIClient) -> None:
    first = submit(client, world, external_id="order-1", unique_external_id=True)
    assert first.status_code == 202
    assert first.json()["unique_external_id"] is True
    for unique in (True, False):
        second = submit(client, world, external_id="order-1", unique_external_id=unique)
        assert (second.status_code, second.json()["type"]) == (409, "urn:glmr:problem:external-id-taken")
        assert second.json()["job"].endswith(first.json()["id"])
    assert submit(client, world, external_id="order-2").status_code == 202
    assert submit(client, world, external_id="order-2").status_code == 202
    assert submit(client, world, external_id="order-2", unique_external_id=True).status_code == 409
    assert submit(client, world, unique_external_id=True).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_only_one_of_many_at_once_gets_a_unique_external_id() -> None:
    job = make_job(1)
    features = [item.feature_id for item in job.items.all()]
    start = threading.Barrier(6)

    def attempt(_: int) -> bool:
        start.wait(20)
        try:
            actions.submit(
                project=job.project,
                user=job.submitted_by,
                name="n",
                features=features,
                library_version=job.library_version,
                model_version=job.model_version,
                params=AnnotateParams(),
                external_id="order-1",
                unique_external_id=True,
            )
        except actions.ExternalIdTaken:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(attempt, range(6))) == 1
    assert Job.objects.filter(external_id="order-1").count() == 1
