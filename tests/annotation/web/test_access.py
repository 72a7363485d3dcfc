"""Access: pages need a sign-in, records of other projects are 404, and roles limit the actions."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World

PAGES_WITHOUT_RECORD = ("home", "job-list", "submit", "review-queue", "libraries", "models", "status")


def project_pages(world: World) -> list[str]:
    """Every page that belongs to the project."""
    job, annotation = [world.job.public_id], [world.annotation.public_id]
    upload = world.annotation.spectrum.upload_id
    return [
        reverse("job-detail", args=job),
        reverse("job-progress", args=job),
        reverse("job-spectra", args=job),
        reverse("job-csv", args=job),
        reverse("job-exports", args=job),
        reverse("annotation-detail", args=annotation),
        reverse("annotation-spectrum", args=annotation),
        reverse("generated-svg", args=[*annotation, 1]),
        reverse("upload-report") + f"?upload={upload}",
        reverse("upload-issues-csv", args=[upload]),
    ]


@pytest.mark.parametrize("name", PAGES_WITHOUT_RECORD)
def test_pages_need_a_sign_in(name: str, db: None) -> None:
    response = Client().get(reverse(name))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", PAGES_WITHOUT_RECORD)
@pytest.mark.parametrize("person", ["viewer", "submitter", "curator", "stranger", "admin"])
def test_pages_open_for_everyone_signed_in(name: str, person: str, world: World) -> None:
    expected = 403 if (name, person) == ("submit", "viewer") else 200
    assert world.client(person).get(reverse(name)).status_code == expected


def test_members_open_the_pages_of_their_project(world: World) -> None:
    for person in ("viewer", "curator", "admin"):
        client = world.client(person)
        statuses = {url: client.get(url).status_code for url in project_pages(world)}
        assert statuses == dict.fromkeys(project_pages(world), 200)


def test_strangers_find_nothing(world: World) -> None:
    client = world.client("stranger")
    statuses = {url: client.get(url).status_code for url in project_pages(world)}
    assert statuses == dict.fromkeys(project_pages(world), 404)
    assert "July batch" not in client.get(reverse("home")).content.decode()


@pytest.mark.parametrize("name", ["job-cancel", "job-retry"])
@pytest.mark.parametrize(("person", "status"), [("viewer", 403), ("stranger", 404), ("submitter", 302)])
def test_only_submitters_cancel_and_retry(name: str, person: str, status: int, world: World) -> None:
    url = reverse(name, args=[world.job.public_id])
    assert world.client(person).get(url).status_code == 405
    assert world.client(person).post(url).status_code == status


@pytest.mark.parametrize(("person", "status"), [("submitter", 403), ("stranger", 404)])
def test_only_curators_record_verdicts(person: str, status: int, world: World) -> None:
    url = reverse("annotation-verdict", args=[world.annotation.public_id])
    assert world.client(person).post(url, {"decision": "accept"}).status_code == status
    assert not world.annotation.verdicts.exists()


def test_viewers_see_no_buttons_that_they_may_not_use(world: World) -> None:
    def changes(person: str, name: str, key: object) -> list[str]:
        dom = Dom(world.client(person).get(reverse(name, args=[key])))
        everyone = (reverse("logout"), reverse("export-add", args=[world.job.public_id]))
        return [url for url in dom.values("form[method=post]", "action") if url not in everyone]

    job, annotation = world.job.public_id, world.annotation.public_id
    assert changes("submitter", "job-detail", job) == [
        reverse("job-cancel", args=[job]),
        reverse("job-retry", args=[job]),
    ]
    assert changes("curator", "annotation-detail", annotation)
    assert changes("viewer", "job-detail", job) == changes("viewer", "annotation-detail", annotation) == []


def test_sign_in_and_out(world: World) -> None:
    client = Client()
    wrong = client.post(reverse("login"), {"username": "sam", "password": "wrong"})
    assert Dom(wrong).get("[data-notice=wrong-credentials]").get("role") == "alert"
    right = client.post(reverse("login"), {"username": "sam", "password": "correct horse"})
    assert right.headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.post(reverse("logout")).status_code == 302
    assert client.get("/").status_code == 302
