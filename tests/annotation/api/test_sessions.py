"""People who are signed in on the web pages can use the REST interface, with the CSRF check."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from annotation.accounts.models import Role
from annotation.models import Job
from tests.annotation.api.world import World
from tests.annotation.builders import make_project


def signed_in(world: World, *, enforce_csrf_checks: bool = False) -> Client:
    client = Client(enforce_csrf_checks=enforce_csrf_checks)
    client.force_login(world.user)
    return client


def submit(client: Client, body: dict[str, Any]) -> Any:
    return client.post(
        "/api/v1/jobs", body, content_type="application/json", headers={"Idempotency-Key": "k"}
    )


def test_a_session_can_read_and_submit(world: World) -> None:
    client = signed_in(world)
    assert submit(client, world.job()).status_code == 202
    assert Job.objects.get().submitted_by == world.user
    assert len(client.get("/api/v1/jobs").json()["results"]) == 1


def test_a_post_without_a_csrf_token_is_403(world: World) -> None:
    answer = submit(signed_in(world, enforce_csrf_checks=True), world.job())
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert not Job.objects.exists()


def test_with_several_projects_the_project_is_required(world: World) -> None:
    other = make_project(world.user, Role.SUBMITTER)
    client = signed_in(world)
    answer = submit(client, world.job())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/project")
    assert submit(client, world.job(project=other.slug)).json()["project"] == other.slug


def test_viewers_cannot_submit(world: World) -> None:
    world.project.memberships.update(role=Role.VIEWER)
    assert submit(signed_in(world), world.job()).status_code == 403
    assert submit(signed_in(world), world.job(project=world.project.slug)).status_code == 403


@pytest.mark.parametrize("role", Role)
def test_every_role_lists_its_projects(world: World, role: Role) -> None:
    world.project.memberships.update(role=role)
    (project,) = signed_in(world).get("/api/v1/projects").json()["results"]
    assert project["slug"] == world.project.slug
