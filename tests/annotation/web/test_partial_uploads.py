"""Uploads in parts: what arrived stays, nothing is written twice, and nobody writes to another's file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from annotation.models import PartialUpload, Upload
from tests.annotation.web.test_submit import GOOD
from tests.annotation.web.world import World


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def begin(world: World, client: Client, size: int = len(GOOD), **changes: Any) -> Any:
    data = {"project": world.project.pk, "name": "run 1.mgf", "size": size}
    return client.post(reverse("partial-uploads"), data | changes)


def append(client: Client, url: str, at: int, content: bytes) -> Any:
    return client.post(f"{url}?offset={at}", content, content_type="application/octet-stream")


def finish(client: Client, *urls: str) -> Any:
    return client.post(reverse("partial-uploads-finish"), {"part": [url.split("/")[-2] for url in urls]})


def test_parts_become_an_upload(world: World) -> None:
    client = world.client("submitter")
    url = begin(world, client).json()["url"]
    assert append(client, url, 0, GOOD[:40]).json() == {"offset": 40}
    assert finish(client, url).status_code == 409
    assert client.get(url).json()["offset"] == 40
    append(client, url, 40, GOOD[40:])
    (stored,) = finish(client, url).json()["uploads"]
    upload = Upload.objects.get(pk=stored["upload"])
    assert (upload.file_name, upload.n_usable, stored["condition"]) == ("run 1.mgf", 1, "read")
    assert not PartialUpload.objects.exists()
    assert client.get(url).status_code == 404


def test_a_part_that_was_sent_twice_is_written_once(world: World) -> None:
    client = world.client("submitter")
    url = begin(world, client).json()["url"]
    append(client, url, 0, GOOD[:40])
    again = append(client, url, 0, GOOD[:40])
    assert (again.status_code, again.json()["offset"]) == (409, 40)


def test_more_bytes_than_announced_are_refused(world: World, settings: Settings) -> None:
    client = world.client("submitter")
    url = begin(world, client, size=10).json()["url"]
    assert append(client, url, 0, GOOD).status_code == 413
    settings.GLMR_MAX_UPLOAD_BYTES = 100
    assert begin(world, client, size=101).status_code == 413
    for _ in range(3):
        assert begin(world, client, size=100).status_code == 201
    assert begin(world, client, size=100).status_code == 413


def test_nobody_continues_the_upload_of_another(world: World) -> None:
    url = begin(world, world.client("submitter")).json()["url"]
    for person in ("curator", "stranger", "admin"):
        assert append(world.client(person), url, 0, GOOD).status_code == 404
    assert begin(world, world.client("viewer")).status_code == 404
    assert append(Client(), url, 0, GOOD).status_code == 401


def test_abandoned_uploads_are_removed(world: World, tmp_path: Path) -> None:
    client = world.client("submitter")
    begin(world, client)
    PartialUpload.objects.update(created_at=timezone.now() - timedelta(days=2))
    begin(world, client)
    assert PartialUpload.objects.count() == len([*(tmp_path / "partial").iterdir()]) == 1


def test_a_table_is_read_with_its_spectra(world: World) -> None:
    client = world.client("submitter")
    table = b"row ID,row m/z,A.mzML Peak area,\n7,181.0495,1200.5,\n"
    files = {"a.mgf": GOOD.replace(b"TITLE=one", b"TITLE=one\nFEATURE_ID=7"), "a_quant.csv": table}
    urls = []
    for name, content in files.items():
        url = begin(world, client, size=len(content), name=name).json()["url"]
        append(client, url, 0, content)
        urls.append(url)
    (stored,) = finish(client, *urls).json()["uploads"]
    feature = Upload.objects.get(pk=stored["upload"]).features.get()
    assert feature.quantities["A.mzML Peak area"] == "1200.5"
    assert not PartialUpload.objects.exists()
