"""Who may open what: sign-in first, other tenants' records are 404, roles bound what may be done."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.annotation.web.world import World

OPEN_TO_MEMBERS = ("home", "job-list", "submit", "review-queue", "libraries", "models", "status")


def pages_of(world: World) -> list[str]:
    """Every page that belongs to one project."""
    job, annotation = [world.job.public_id], [world.annotation.public_id]
    upload = world.annotation.spectrum.upload_id
    return [
        reverse("job-detail", args=job),
        reverse("job-progress", args=job),
        reverse("job-spectra", args=job),
        reverse("job-csv", args=job),
        reverse("annotation-detail", args=annotation),
        reverse("annotation-spectrum", args=annotation),
        reverse("generated-svg", args=[*annotation, 1]),
        reverse("upload-report") + f"?upload={upload}",
        reverse("upload-issues-csv", args=[upload]),
    ]


@pytest.mark.parametrize("name", OPEN_TO_MEMBERS)
def test_pages_ask_for_a_sign_in(name: str, db: None) -> None:
    response = Client().get(reverse(name))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", OPEN_TO_MEMBERS)
@pytest.mark.parametrize("who", ["viewer", "submitter", "curator", "stranger", "admin"])
def test_pages_open_for_everyone_signed_in(name: str, who: str, world: World) -> None:
    expected = 403 if (name, who) == ("submit", "viewer") else 200
    assert world.client(who).get(reverse(name)).status_code == expected


def test_members_open_the_projects_pages(world: World) -> None:
    for who in ("viewer", "curator", "admin"):
        client = world.client(who)
        assert {url: client.get(url).status_code for url in pages_of(world)} == dict.fromkeys(
            pages_of(world), 200
        )


def test_strangers_find_nothing(world: World) -> None:
    client = world.client("stranger")
    assert {url: client.get(url).status_code for url in pages_of(world)} == dict.fromkeys(
        pages_of(world), 404
    )
    assert "July batch" not in client.get(reverse("home")).content.decode()


@pytest.mark.parametrize("name", ["job-cancel", "job-retry"])
@pytest.mark.parametrize(("who", "status"), [("viewer", 403), ("stranger", 404), ("submitter", 302)])
def test_only_submitters_cancel_and_retry(name: str, who: str, status: int, world: World) -> None:
    url = reverse(name, args=[world.job.public_id])
    assert world.client(who).get(url).status_code == 405
    assert world.client(who).post(url).status_code == status


@pytest.mark.parametrize(("who", "status"), [("submitter", 403), ("stranger", 404)])
def test_only_curators_decide(who: str, status: int, world: World) -> None:
    url = reverse("annotation-verdict", args=[world.annotation.public_id])
    assert world.client(who).post(url, {"decision": "accept"}).status_code == status
    assert not world.annotation.verdicts.exists()


def test_viewers_see_no_forms(world: World) -> None:
    viewer = world.client("viewer")
    job = viewer.get(reverse("job-detail", args=[world.job.public_id])).content.decode()
    assert "Cancel the job" not in job
    assert "Retry" not in job
    page = viewer.get(reverse("annotation-detail", args=[world.annotation.public_id])).content.decode()
    assert "Record the verdict" not in page


def test_sign_in_and_out(world: World) -> None:
    client = Client()
    wrong = client.post(reverse("login"), {"username": "sam", "password": "wrong"})
    assert "do not belong together" in wrong.content.decode()
    right = client.post(reverse("login"), {"username": "sam", "password": "correct horse"})
    assert right.headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.post(reverse("logout")).status_code == 302
    assert client.get("/").status_code == 302
