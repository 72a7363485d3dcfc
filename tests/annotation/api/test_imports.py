"""Imports over REST: send a file, poll its check, publish, and what goes wrong in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as settings_module
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from annotation.imports import ledger, run
from annotation.imports.run import run_next
from annotation.libraries.load import import_library
from annotation.models import (
    ApiToken,
    Library,
    LibraryVersion,
    Membership,
    PartialUpload,
    Project,
    ReferenceVersion,
    Role,
    VersionImport,
)
from annotation.spectra import partial
from tests.annotation.api.world import World
from tests.annotation.builders import make_library_version, make_user
from tests.annotation.imports.building import LIBRARY, REFERENCES


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path
    # Another session does not see the rows of a test, whose transaction never ends.
    monkeypatch.setattr(run._Step, "_every_s", staticmethod(lambda: 3600.0))


def send(client: APIClient, address: str, content: bytes = LIBRARY, *, key: str = "", **values: Any) -> Any:
    body = {"file": SimpleUploadedFile("drugs.csv", content), "license": "CC0", "source": "inventory"}
    headers = {"Idempotency-Key": key or uuid4().hex}
    return client.post(f"/api/v1{address}", body | values, format="multipart", headers=headers)


def test_check_then_publish(world: World, client: APIClient) -> None:
    answer = send(client, "/imports?dry_run=true", kind="library", name="drugs")
    assert answer.status_code == 202, answer.json()
    row = answer.json()
    assert (row["state"], row["project"], row["report"], row["version"]) == (
        "waiting",
        world.project.slug,
        None,
        None,
    )
    assert answer["Location"] == row["links"]["self"]
    assert client.get(row["links"]["rejected"]).status_code == 409
    early = client.post(row["links"]["publish"])
    assert (early.status_code, early.json()["type"]) == (409, "urn:glmr:problem:import-state")

    assert run_next()
    checked = client.get(row["links"]["self"])
    assert "Retry-After" not in checked
    report = checked.json()["report"]
    assert (report["n_read"], report["n_molecules"], report["n_rejected"]) == (6, 3, 1)
    assert client.get(row["links"]["rejected"]).getvalue().startswith(b"position,")
    assert not LibraryVersion.objects.filter(library__name="drugs").exists()

    assert client.post(row["links"]["publish"]).status_code == 202
    assert run_next()
    published = client.get(row["links"]["self"]).json()
    assert (published["state"], published["version"]) == ("published", 1)
    version = client.get("/api/v1/libraries/drugs/versions/1").json()
    assert (version["n_molecules"], version["file_license"], version["source"]) == (3, "CC0", "inventory")


def test_a_new_version_is_published_at_once(world: World, client: APIClient) -> None:
    library = Library.objects.create(name="in/house", project=world.project)
    make_library_version(library=library)
    assert send(client, "/libraries/in/house/versions").status_code == 202
    assert run_next()
    assert run_next()
    assert list(library.versions.order_by("number").values_list("number", "state")) == [
        (1, "ready"),
        (2, "ready"),
    ]


def test_references(client: APIClient) -> None:
    answer = send(client, "/imports", REFERENCES, kind="references", name="standards")
    assert answer.status_code == 202
    assert run_next()
    assert run_next()
    assert ReferenceVersion.objects.get().n_spectra == 2


def test_the_same_key_makes_one_import(client: APIClient) -> None:
    first, again = (send(client, "/imports", kind="library", name="drugs", key="k") for _ in range(2))
    assert first.json() == again.json()
    assert VersionImport.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"license": ""}, "/license"),
        ({"source": ""}, "/source"),
        ({"name": "shared"}, "/name"),
        ({"project": "nowhere"}, "/project"),
        ({"kind": "other"}, "/kind"),
        ({"file": ""}, "/file"),
    ],
)
def test_mistakes_are_pointed_at(client: APIClient, values: dict[str, Any], pointer: str) -> None:
    Library.objects.create(name="shared")
    answer = send(client, "/imports", **({"kind": "library", "name": "drugs"} | values))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not VersionImport.objects.exists()


def test_what_all_projects_share_needs_an_administrator(world: World, client: APIClient) -> None:
    name = world.version.library.name
    assert send(client, f"/libraries/{name}/versions").status_code == 403
    administrator = make_user(is_superuser=True)
    session = Client()
    session.force_login(administrator)
    body = {"file": SimpleUploadedFile("drugs.csv", LIBRARY), "license": "CC0", "source": "inventory"}
    answer = session.post(f"/api/v1/libraries/{name}/versions", body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 202
    assert VersionImport.objects.get().project is None
    assert client.get("/api/v1/imports").json()["results"] == []


def test_a_dry_run_that_is_no_boolean(client: APIClient) -> None:
    answer = send(client, "/imports?dry_run=maybe", kind="library", name="drugs")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/dry_run")
    assert not VersionImport.objects.exists()


def test_discarding(client: APIClient) -> None:
    row = send(client, "/imports?dry_run=1", kind="library", name="drugs").json()
    assert client.delete(row["links"]["self"]).status_code == 204
    assert client.get(row["links"]["self"]).json()["state"] == "discarded"
    assert client.delete(row["links"]["self"]).status_code == 409
    assert client.get(row["links"]["rejected"]).status_code == 410


def test_a_file_in_parts(world: World) -> None:
    client = world.client()
    part = client.post("/api/v1/parts", {"file_name": "drugs.csv", "size_bytes": len(LIBRARY)}, format="json")
    assert part.status_code == 201, part.json()
    address = part.json()["url"]

    def append(at: int, content: bytes) -> Any:
        return client.post(f"{address}?offset={at}", content, content_type="application/octet-stream")

    for offset in ("", "?offset=", "?offset=x", "?offset=-1"):
        answer = client.post(f"{address}{offset}", b"x", content_type="application/octet-stream")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/offset")
    body = {"kind": "library", "name": "drugs", "license": "CC0", "source": "inventory"}
    body["part"], headers = part.json()["id"], {"Idempotency-Key": "k"}
    assert append(0, LIBRARY[:50]).json()["offset"] == 50
    again = append(0, LIBRARY[:50])
    assert (again.status_code, again.json()["type"], again.json()["offset"]) == (
        409,
        "urn:glmr:problem:wrong-offset",
        50,
    )
    early = client.post("/api/v1/imports", body, format="json", headers=headers)
    assert early.status_code == 409
    assert append(50, LIBRARY[50:] + b"more").status_code == 413
    at = client.get(address).json()["offset"]
    append(at, LIBRARY[at:])
    other = world.client()
    assert other.post("/api/v1/imports", body, format="json", headers=headers).status_code == 403
    answer = client.post("/api/v1/imports", body, format="json", headers=headers)
    assert answer.status_code == 202, answer.json()
    assert (answer.json()["file_name"], answer.json()["size_bytes"]) == ("drugs.csv", len(LIBRARY))
    assert client.get(address).status_code == 404
    assert run_next()
    assert VersionImport.objects.get().report["n_molecules"] == 3


def test_a_name_that_another_project_took_says_nothing_of_that_project(world: World) -> None:
    """Both ask for the name while it is free. The one that publishes later learns nothing of the other."""
    manager = make_user("rival-manager")
    rival = Project.objects.create(name="Beta secret", slug="beta")
    Membership.objects.create(project=rival, user=manager, role=Role.MANAGER)
    client = world.client()
    row = send(client, "/imports?dry_run=true", kind="library", name="race").json()
    assert run_next()
    import_library("race", _file(LIBRARY), user=manager, project=rival)
    assert client.post(row["links"]["publish"]).status_code == 202
    assert run_next()
    failed = client.get(row["links"]["self"]).json()
    assert failed["state"] == "failed"
    assert "taken by another owner" in failed["error"]
    assert "eta" not in failed["error"]


def test_a_check_does_not_compare_with_the_library_of_another_project(world: World) -> None:
    rival = Project.objects.create(name="Beta secret", slug="beta")
    client = world.client()
    row = send(client, "/imports?dry_run=true", kind="library", name="race").json()
    import_library("race", _file(LIBRARY), user=None, project=rival)
    assert run_next()
    report = client.get(row["links"]["self"]).json()["report"]
    assert (report["compared_with"], report["n_added"], report["n_removed"]) == (None, 3, 0)


@pytest.mark.parametrize("name", ["..", ".", "shared\u200b", "\u200b", "x\u202ey"])
def test_names_that_mislead_are_refused(client: APIClient, name: str) -> None:
    answer = send(client, "/imports", kind="library", name=name)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")


def test_a_list_that_is_still_being_written_is_not_served(client: APIClient) -> None:
    row = send(client, "/imports?dry_run=true", kind="library", name="drugs").json()
    held = ledger.claim()
    assert held is not None
    ledger.rejected_of(held.row).write_text("position,code\r\n")
    assert client.get(row["links"]["rejected"]).status_code == 409


def test_the_scope_manage_suffices_for_a_whole_import(world: World) -> None:
    client = world.client(Role.MANAGER, [ApiToken.Scope.MANAGE])
    part = client.post("/api/v1/parts", {"file_name": "drugs.csv", "size_bytes": len(LIBRARY)}, format="json")
    assert part.status_code == 201, part.json()
    sent = client.post(f"{part['Location']}?offset=0", LIBRARY, content_type="application/octet-stream")
    assert sent.status_code == 200, sent.json()
    assert client.get(part["Location"]).json()["offset"] == len(LIBRARY)
    body = {"part": part.json()["id"], "license": "CC0", "source": "x", "kind": "library", "name": "drugs"}
    row = client.post("/api/v1/imports?dry_run=true", body, format="json", headers={"Idempotency-Key": "1"})
    assert row.status_code == 202, row.json()
    assert run_next()
    assert client.get(row["Location"]).json()["state"] == "checked"
    assert client.get(row.json()["links"]["rejected"]).status_code == 200
    assert len(client.get("/api/v1/imports").json()["results"]) == 1


def test_a_part_that_another_request_took_at_this_moment(world: World) -> None:
    client = world.client()
    part = client.post("/api/v1/parts", {"file_name": "drugs.csv", "size_bytes": 0}, format="json")
    row = PartialUpload.objects.get()
    partial._path(row).unlink()  # the other request has moved it, and its row is still there
    body = {"part": part.json()["id"], "license": "CC0", "source": "x", "kind": "library", "name": "drugs"}
    headers = {"Idempotency-Key": "1"}
    assert client.post("/api/v1/imports", body, format="json", headers=headers).status_code == 404
    append = f"{part['Location']}?offset=0"
    assert client.post(append, b"", content_type="application/octet-stream").status_code == 404
    assert client.get(part["Location"]).status_code == 404
    assert not VersionImport.objects.exists()


def _file(content: bytes) -> Path:
    path = Path(settings_module.MEDIA_ROOT) / "other.csv"
    path.write_bytes(content)
    return path
