"""GET /changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from annotation.models import Change
from tests.annotation.api.world import World
from tests.annotation.builders import make_job


def submit(world: World) -> str:
    return str(make_job(1, world.project, world.user).public_id)


def ids(page: dict[str, Any]) -> list[str]:
    return [change["id"] for change in page["results"]]


def test_a_client_follows_next(world: World, client: APIClient) -> None:
    first = submit(world)
    page = client.get("/api/v1/changes").json()
    assert ids(page) == [first]
    assert page["results"][0]["url"].endswith(f"/api/v1/jobs/{first}")
    assert (page["results"][0]["kind"], page["results"][0]["project"]) == ("job", world.project.slug)
    empty = client.get(page["next"])
    assert (ids(empty.json()), empty.json()["has_more"], empty["Retry-After"]) == ([], False, "5")
    second = submit(world)
    assert ids(client.get(empty.json()["next"]).json()) == [second]


def test_pages(world: World, client: APIClient) -> None:
    jobs = [submit(world) for _ in range(3)]
    seen, address, pages = [], "/api/v1/changes?limit=2&kind=job", 0
    while address:
        page = client.get(address).json()
        seen += ids(page)
        address, pages = page["next"] if page["has_more"] else "", pages + 1
    assert (seen, pages) == (jobs, 2)


def test_from_now_on(world: World, client: APIClient) -> None:
    submit(world)
    page = client.get("/api/v1/changes?after=now").json()
    assert ids(page) == []
    later = submit(world)
    assert ids(client.get(page["next"]).json()) == [later]


def test_other_projects_are_hidden(world: World, client: APIClient) -> None:
    make_job(1)
    assert ids(client.get("/api/v1/changes").json()) == []


def test_wrong_parameters(client: APIClient) -> None:
    for query in ("after=x", "after=-1", "kind=spectrum", "limit=0"):
        assert client.get(f"/api/v1/changes?{query}").status_code == 422


def test_forgotten_changes_are_410(world: World, client: APIClient) -> None:
    submit(world)
    client.get("/api/v1/changes")
    Change.objects.update(at=timezone.now() - timedelta(days=40))
    submit(world)
    client.get("/api/v1/changes")
    answer = client.get("/api/v1/changes?after=0")
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:glmr:problem:changes-forgotten")


def test_the_number_of_queries_does_not_grow(
    world: World, client: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        submit(world)
    client.get("/api/v1/changes")
    with django_assert_max_num_queries(6):
        assert len(ids(client.get("/api/v1/changes").json())) == 20
