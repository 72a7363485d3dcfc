"""POST /annotate: one spectrum, with the answer or a job to poll."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from annotation.api.views import annotate
from annotation.jobs import ledger
from annotation.models import Job
from tests.annotation.api.world import ASPIRIN, World, make_world
from tests.annotation.builders import make_annotation


def body(world: World, **overrides: Any) -> dict[str, Any]:
    return {"library": world.version.library.name, "spectrum": ASPIRIN, **overrides}


def post(client: APIClient, data: Any, key: str = "k") -> Any:
    return client.post("/api/v1/annotate", data, format="json", headers={"Idempotency-Key": key})


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotate, "LONGEST_WAIT_S", 0.2)


@pytest.mark.usefixtures("no_wait")
def test_without_a_worker_it_is_202_and_later_the_result(world: World, client: APIClient) -> None:
    answer = post(client, body(world))
    assert answer.status_code == 202
    job = Job.objects.get()
    assert answer["Location"].endswith(str(job.public_id))
    assert job.priority == Job.Priority.INTERACTIVE
    make_annotation(job.items.get())
    ledger.close_finished([job.pk])
    later = post(client, body(world))
    assert (later.status_code, later["Idempotent-Replayed"]) == (200, "true")
    assert later.json()["annotation"]["candidates"][0]["rank"] == 1
    assert later.json()["spectrum"]["external_id"] == "vial-7"
    assert Job.objects.count() == 1


@pytest.mark.usefixtures("no_wait")
def test_few_threads_wait(world: World, client: APIClient) -> None:
    while annotate._may_wait.acquire(blocking=False):
        pass
    try:
        started = time.monotonic()
        annotate.LONGEST_WAIT_S = 60
        assert post(client, body(world)).status_code == 202
        assert time.monotonic() - started < 30
    finally:
        annotate._may_wait = threading.BoundedSemaphore(2)


def test_what_is_wrong_with_the_spectrum(world: World, client: APIClient) -> None:
    answer = post(client, body(world, spectrum={**ASPIRIN, "peaks": []}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/spectrum/peaks"
    answer = post(client, body(world, spectrum={**ASPIRIN, "adukt": "x"}))
    assert answer.json()["errors"][0]["pointer"] == "/spectrum/adukt"
    assert post(client, body(world, spectrum=[ASPIRIN])).json()["errors"][0]["pointer"] == "/spectrum"
    assert post(client, body(world, priority="batch")).status_code == 422
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_answer_comes_as_soon_as_the_result_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotate, "LONGEST_WAIT_S", 60)
    world = make_world()
    client = world.client()

    def work() -> None:
        try:
            while not Job.objects.exists():
                time.sleep(0.05)
            job = Job.objects.get()
            make_annotation(job.items.get())
            with transaction.atomic():
                ledger.close_finished([job.pk])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        worked = threads.submit(work)
        answer = post(client, body(world))
        worked.result()
    assert answer.status_code == 200, answer.content
    assert answer.json()["state"] == "done"
