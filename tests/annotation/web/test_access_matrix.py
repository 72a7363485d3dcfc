"""Every page of the URL configuration, for every kind of caller: only what the role allows."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from annotation.models import Export
from annotation.web.urls import urlpatterns
from tests.annotation.web.world import World

# For everybody, signed in or not.
PUBLIC = {"about", "help", "login", "logout"}
# Without records of a project; each shows what belongs to the person. Covered by their own tests.
OWN = {"account", "password", "session-end", "token-revoke", "components", "table-layout"}
PEOPLE = ("viewer", "submitter", "curator", "admin")
PATTERNS = [
    pattern
    for pattern in urlpatterns
    if isinstance(pattern, URLPattern) and pattern.name and pattern.name not in PUBLIC | OWN
]
OF_A_RECORD = [pattern for pattern in PATTERNS if pattern.pattern.converters]


def address(pattern: URLPattern, world: World) -> str:
    """The address of the page of the world's record."""
    annotation, job = world.annotation, world.job
    export = Export.objects.get_or_create(job=job, requested_by=job.submitted_by)[0]
    name = pattern.name or ""
    public_id: Any = (
        annotation.public_id
        if name.startswith(("annotation", "generated", "proposed"))
        else (export.public_id if name == "export-file" else job.public_id)
    )
    version = job.library_version
    keys = {
        "public_id": public_id,
        "pk": version.pk if name.startswith("library") else annotation.spectrum.upload_id,
        "number": 1,
        "beam_rank": 1,
        "verdict_id": 1,
        "inchikey_first_block": annotation.candidates.get(rank=1).molecule.inchikey_first_block,
        "slug": "accepted",
    }
    return reverse(name, kwargs={key: keys[key] for key in pattern.pattern.converters})


def name_of(pattern: URLPattern) -> str:
    return str(pattern.name)


@pytest.mark.parametrize("pattern", PATTERNS, ids=name_of)
def test_nobody_without_a_sign_in(pattern: URLPattern, world: World) -> None:
    for send in (Client().get, Client().post):
        answer = send(address(pattern, world))
        assert answer.status_code in (302, 405), answer.content[:200]
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith(reverse("login"))


SHARED = {"molecule-svg", "library-version", "library-issues-csv"}  # a library of all projects


@pytest.mark.parametrize("pattern", OF_A_RECORD, ids=name_of)
def test_strangers_find_no_record(pattern: URLPattern, world: World) -> None:
    client = world.client("stranger")
    for send in (client.get, client.post):
        answer = send(address(pattern, world))
        if pattern.name in SHARED:
            assert answer.status_code in (200, 405)
        else:
            assert answer.status_code in (404, 405), (answer.status_code, answer.content[:200])
    world.job.refresh_from_db()
    assert world.job.cancel_requested_at is None
    assert not world.annotation.verdicts.exists()


@pytest.mark.parametrize("pattern", PATTERNS, ids=name_of)
@pytest.mark.parametrize("person", PEOPLE)
def test_members_get_no_error(pattern: URLPattern, person: str, world: World) -> None:
    """A page opens, or says that the role does not suffice. A missing record of the test's own is 404."""
    answer = world.client(person).get(address(pattern, world))
    assert answer.status_code in (200, 302, 400, 403, 404, 405, 409), answer.content[:200]


LEAST = {
    "job-cancel": "submitter",
    "job-resume": "submitter",
    "job-retry": "submitter",
    "job-run-again": "submitter",
    "annotation-verdict": "curator",
}


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("person", PEOPLE)
def test_actions_need_their_role(name: str, person: str, world: World) -> None:
    (pattern,) = [pattern for pattern in PATTERNS if pattern.name == name]
    answer = world.client(person).post(address(pattern, world), {})
    may = PEOPLE.index(person) >= PEOPLE.index(LEAST[name])
    assert (answer.status_code == 403) == (not may), (answer.status_code, answer.content[:200])
