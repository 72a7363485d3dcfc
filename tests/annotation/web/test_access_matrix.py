"""Every page of the URL configuration, for every kind of caller: only what the role allows."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from annotation.models import Export, VersionImport
from annotation.web.urls import urlpatterns
from tests.annotation.api.world import make_managed
from tests.annotation.builders import make_import
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


def public_id(name: str, world: World, managed: dict[str, Any]) -> Any:
    """Of the record that a page with this name shows."""
    job = world.job
    if name.startswith("service-account"):
        return managed["account_id"]
    if name.startswith(("webhook-delivery", "webhook-replay")):
        return managed["delivery_id"]
    if name.startswith("webhook"):
        return managed["webhook_id"]
    if name.startswith("import"):
        found = VersionImport.objects.filter(project=job.project).first()
        return (found or make_import(job.submitted_by, project=job.project)).public_id
    if name.startswith(("annotation", "generated", "proposed")):
        return world.annotation.public_id
    if name == "export-file":
        return Export.objects.get_or_create(job=job, requested_by=job.submitted_by)[0].public_id
    return job.public_id


def key_of(name: str, world: World) -> int:
    version = world.job.library_version
    if name == "library":
        return version.library_id
    return version.pk if name.startswith("library") else world.annotation.spectrum.upload_id


def address(pattern: URLPattern, world: World) -> str:
    """The address of the page of the world's record."""
    name = pattern.name or ""
    managed = make_managed(world.project)
    first_block = world.annotation.candidates.get(rank=1).molecule.inchikey_first_block
    keys: dict[str, Any] = {
        "public_id": public_id(name, world, managed),
        "pk": key_of(name, world),
        "number": 1,
        "beam_rank": 1,
        "verdict_id": 1,
        "inchikey": first_block,
        "inchikey_first_block": first_block,
        "slug": "accepted" if name.startswith("reference") else world.project.slug,
        "prefix": managed["prefix"],
    }
    return reverse(name, kwargs={key: keys[key] for key in pattern.pattern.converters})


def test_nobody_without_a_sign_in(world: World) -> None:
    wrong = {}
    for pattern in PATTERNS:
        for send in (Client().get, Client().post):
            answer = send(address(pattern, world))
            to_sign_in = answer.headers.get("Location", "").startswith(reverse("login"))
            # 401: what scripts of a page ask for.
            if answer.status_code not in (401, 405) and not (answer.status_code == 302 and to_sign_in):
                wrong[pattern.name] = answer.status_code
    assert wrong == {}


SHARED = {
    "library",
    "molecule",
    "molecule-svg",
    "library-version",
    "library-issues-csv",
}  # a library of all projects


def test_strangers_find_no_record(world: World) -> None:
    client = world.client("stranger")
    wrong = {}
    for pattern in OF_A_RECORD:
        for send in (client.get, client.post):
            status = send(address(pattern, world)).status_code
            if status not in ((200, 405) if pattern.name in SHARED else (404, 405)):
                wrong[pattern.name] = status
    assert wrong == {}
    world.job.refresh_from_db()
    assert world.job.cancel_requested_at is None
    assert not world.annotation.verdicts.exists()


@pytest.mark.parametrize("person", PEOPLE)
def test_members_get_no_error(person: str, world: World) -> None:
    """A page opens, or says that the role does not suffice. A missing record of the test's own is 404."""
    client = world.client(person)
    statuses = {pattern.name: client.get(address(pattern, world)).status_code for pattern in PATTERNS}
    usual = (200, 302, 400, 403, 404, 405, 409)
    assert {name: status for name, status in statuses.items() if status not in usual} == {}


LEAST = {
    "job-cancel": "submitter",
    "job-resume": "submitter",
    "job-retry": "submitter",
    "annotation-verdict": "curator",
}


@pytest.mark.parametrize("person", PEOPLE)
def test_actions_need_their_role(person: str, world: World) -> None:
    client = world.client(person)
    for name, least in LEAST.items():
        (pattern,) = [pattern for pattern in PATTERNS if pattern.name == name]
        may = PEOPLE.index(person) >= PEOPLE.index(least)
        assert (client.post(address(pattern, world), {}).status_code == 403) == (not may), name
