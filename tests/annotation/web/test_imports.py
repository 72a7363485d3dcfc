"""Importing libraries over the web: who may, the way of a file, and what its pages say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from annotation.imports import run
from annotation.imports.run import run_next
from annotation.models import LibraryVersion, Membership, Role, VersionImport
from tests.annotation.builders import make_user
from tests.annotation.imports.building import LIBRARY, REFERENCES, checked
from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World

STATED = {"name": "Our compounds", "license": "CC0", "source": "our inventory"}


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path
    # Another session does not see the rows of a test, whose transaction never ends.
    monkeypatch.setattr(run._Step, "_every_s", staticmethod(lambda: 3600.0))


@pytest.fixture
def manager(world: World) -> Client:
    user = make_user("manager")
    Membership.objects.create(project=world.project, user=user, role=Role.MANAGER)
    world.people["manager"] = user
    return world.client("manager")


def send(client: Client, owner: object, content: bytes = LIBRARY, **changes: Any) -> Any:
    """The file in parts, as the script sends it, and the form with its number."""
    data = {"project": owner, "name": "compounds.csv", "size": len(content)}
    begun = client.post(reverse("partial-uploads"), data)
    if begun.status_code != 201:
        return begun
    part = begun.json()
    client.post(f"{part['url']}?offset=0", content, content_type="application/octet-stream")
    form = STATED | {"owner": owner, "part": part["part"]} | changes
    return client.post(reverse("library-import"), form)


def test_a_manager_uploads_checks_and_publishes(world: World, manager: Client) -> None:
    answer = send(manager, world.project.pk)
    row = VersionImport.objects.get()
    page = reverse("import-detail", args=[row.public_id])
    assert (answer.status_code, answer.url) == (302, page)
    assert Dom(manager.get(page)).get("#import-state").get("hx-trigger") == "every 2s"

    assert run_next()
    dom = Dom(manager.get(page))
    assert dom.get("#import-state").get("data-import-state") == "checked"
    assert dom.has("[data-rejection]")
    assert len(dom.all("[data-preview]")) == 5
    button = dom.get(f'form[action="{reverse("import-publish", args=[row.public_id])}"] button')
    assert button.text_content() == "Publish 3 molecules as version 1"
    answer = manager.get(reverse("import-rejected-csv", args=[row.public_id]))
    listed = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert listed.startswith(b"position,code,reason,remedy,text\r\nline 5,")

    manager.post(reverse("import-publish", args=[row.public_id]))
    assert run_next()
    version = LibraryVersion.objects.get(library__name="Our compounds")
    assert (version.library.project, version.imported_by) == (world.project, world.people["manager"])
    assert Dom(manager.get(page)).has(f'a[href="{reverse("library-version", args=[version.pk])}"]')


def test_a_form_without_scripts_sends_the_file(world: World, manager: Client, tmp_path: Path) -> None:
    path = tmp_path / "standards.mgf"
    path.write_bytes(REFERENCES)
    with path.open("rb") as file:
        form = STATED | {"owner": world.project.pk, "file": file}
        assert manager.post(reverse("reference-import"), form).status_code == 302
    row = VersionImport.objects.get()
    assert (row.kind, row.file_name, row.size_bytes) == ("references", "standards.mgf", len(REFERENCES))


def test_only_managers_and_administrators_may(world: World, manager: Client) -> None:
    for person in ("viewer", "submitter", "curator"):
        client = world.client(person)
        assert client.get(reverse("library-import")).status_code == 403
        assert send(client, world.project.pk).status_code in (403, 404)
        assert not Dom(client.get(reverse("libraries"))).has(f'a[href="{reverse("library-import")}"]')
    assert send(world.client("stranger"), world.project.pk).status_code == 404
    assert send(manager, "").status_code == 400  # for all projects
    assert not VersionImport.objects.exists()
    assert send(world.client("admin"), "").status_code == 302
    assert VersionImport.objects.get().project is None


def test_imports_of_others_do_not_exist(world: World, manager: Client) -> None:
    ours = checked(user=world.people["manager"], project=world.project)
    shared = checked(user=world.people["admin"], name="for all")
    for client, row in ((world.client("stranger"), ours), (manager, shared)):
        for name in ("import-detail", "import-state", "import-rejected-csv"):
            assert client.get(reverse(name, args=[row.public_id])).status_code == 404
        for name in ("import-publish", "import-discard"):
            assert client.post(reverse(name, args=[row.public_id])).status_code == 404
    member = world.client("curator")
    page = Dom(member.get(reverse("import-detail", args=[ours.public_id])))
    assert not page.has('main form[method="post"]')
    assert member.post(reverse("import-publish", args=[ours.public_id])).status_code == 403
    assert member.post(reverse("import-discard", args=[ours.public_id])).status_code == 403
    manager.post(reverse("import-discard", args=[ours.public_id]))
    ours.refresh_from_db()
    assert ours.state == "discarded"
    assert manager.get(reverse("import-rejected-csv", args=[ours.public_id])).status_code == 404


def test_mistakes_are_marked_and_nothing_is_kept(world: World, manager: Client) -> None:
    answer = send(manager, world.project.pk, license="")
    assert answer.status_code == 422
    dom = Dom(answer)
    assert dom.has("#id_license_error")
    assert dom.get("input[name=part]").get("value")  # the bytes need not be sent again
    assert Dom(manager.post(reverse("library-import"), STATED)).has("#id_file_error")
    assert not VersionImport.objects.exists()


def test_a_page_needs_few_queries(world: World, manager: Client, django_assert_max_num_queries: Any) -> None:
    row = checked(user=world.people["manager"], project=world.project)
    with django_assert_max_num_queries(10):
        manager.get(reverse("import-detail", args=[row.public_id]))
    with django_assert_max_num_queries(6):
        manager.get(reverse("import-state", args=[row.public_id]))
    with django_assert_max_num_queries(12):
        manager.get(reverse("library-import"))
