"""Exports on the page of a job: request, list, download, and who may."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.exports import snapshot
from annotation.exports.build import build_next
from annotation.models import Export
from annotation.web.views.exports import N_SHOWN
from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World


def test_request_and_download(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "held", nullcontext)  # a test is in a transaction already
    client, job = world.client("viewer"), world.job
    page = reverse("job-detail", args=[job.public_id])
    answer = client.post(reverse("export-add", args=[job.public_id]), {"format": "csv", "top": "3"})
    assert answer.headers["Location"] == f"{page}#exports"
    waiting = Dom(client.get(page)).get("#exports")
    assert waiting.get("hx-get") == reverse("job-exports", args=[job.public_id])

    assert build_next(worker="test")
    dom = Dom(client.get(reverse("job-exports", args=[job.public_id])))
    assert dom.values("[data-export-state]", "data-export-state") == ["ready"]
    assert dom.get("#exports").get("hx-get") is None
    export = Export.objects.get()
    assert export.n_features == job.items.count()
    file = client.get(dom.get("[data-export=csv]").get("href"))
    assert file.status_code == 200
    assert len(file.getvalue()) == export.size_bytes


def test_a_refusal_is_shown(world: World) -> None:
    client, job = world.client("viewer"), world.job
    client.post(reverse("export-add", args=[job.public_id]), {"format": "docx", "top": "x"})
    assert not Export.objects.exists()
    assert "docx" in client.get(reverse("job-detail", args=[job.public_id])).content.decode()


def test_others_neither_request_nor_download(world: World) -> None:
    export = Export.objects.create(job=world.job, requested_by=world.job.submitted_by, format="csv")
    stranger = world.client("stranger")
    assert stranger.post(reverse("export-add", args=[world.job.public_id])).status_code == 404
    assert stranger.get(reverse("export-file", args=[export.public_id])).status_code == 404


def test_a_file_that_is_gone_leads_back_with_the_reason(world: World) -> None:
    export = Export.objects.create(
        job=world.job, requested_by=world.job.submitted_by, format="csv", state=Export.State.EXPIRED
    )
    answer = world.client("viewer").get(reverse("export-file", args=[export.public_id]), follow=True)
    assert "deleted" in answer.content.decode()


def test_the_list_takes_the_same_queries_for_any_number_of_exports(world: World) -> None:
    client, address = world.client("viewer"), reverse("job-exports", args=[world.job.public_id])
    counts = []
    for n in (1, N_SHOWN):
        for _ in range(n):
            Export.objects.create(job=world.job, requested_by=world.job.submitted_by, format="csv")
        with CaptureQueriesContext(connection) as captured:
            client.get(address)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 6


def test_the_list_has_room_for_an_export_of_each_format(world: World) -> None:
    for format in Export.Format:
        Export.objects.create(job=world.job, requested_by=world.job.submitted_by, format=format)
    dom = Dom(world.client("viewer").get(reverse("job-exports", args=[world.job.public_id])))
    assert len(dom.all("[data-export-state]")) == len(Export.Format)
