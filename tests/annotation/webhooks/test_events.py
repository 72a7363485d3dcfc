"""Each event is stored in the transaction of what it tells of, for the webhooks that want it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from annotation.exports import ledger as exports
from annotation.exports.actions import request_export
from annotation.jobs import actions, ledger
from annotation.libraries.load import import_library
from annotation.models import JobItem, Project, WebhookDelivery, WebhookEvent
from annotation.review.actions import decide
from annotation.webhooks.models import EventKind
from annotation.webhooks.outbox import Happened, emit
from tests.annotation.builders import make_annotation, make_job, make_project, make_user
from tests.annotation.webhooks.builders import make_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(make_user("ada"))


def bodies(kind: EventKind) -> list[dict[str, Any]]:
    """What was stored of the kind, oldest first."""
    rows = [json.loads(event.body) for event in WebhookEvent.objects.filter(kind=kind).order_by("pk")]
    assert all(row["type"] == kind.value for row in rows)
    return [row["data"] for row in rows]


def claim_one() -> ledger.ClaimedItem:
    batch = ledger.claim(limit=1, worker="w")
    assert batch is not None
    return batch.items[0]


def test_failed_features_and_the_end_of_their_job(project: Project) -> None:
    make_webhook(project=project)
    job = make_job(2, project, make_user(), external_id="order-7")
    ledger.fail(claim_one(), code="broken", reason="It broke.")
    assert bodies(EventKind.JOB_FINISHED) == []
    ledger.fail(claim_one(), code="broken", reason="It broke.")
    failed = bodies(EventKind.FEATURE_FAILED)
    assert [(row["position"], row["error_code"], row["job_id"]) for row in failed] == [
        (0, "broken", str(job.public_id)),
        (1, "broken", str(job.public_id)),
    ]
    (finished,) = bodies(EventKind.JOB_FINISHED)
    assert (finished["job_external_id"], finished["state"], finished["features"]["failed"]) == (
        "order-7",
        "done",
        2,
    )
    assert finished["url"].endswith(f"/api/v1/jobs/{job.public_id}")


def test_a_worker_that_died_at_the_last_attempt(project: Project) -> None:
    make_webhook(project=project)
    make_job(1, project, make_user())
    claim_one()
    JobItem.objects.update(attempts=3, lease_expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    ledger.release_expired()
    assert [row["error_code"] for row in bodies(EventKind.FEATURE_FAILED)] == ["worker_died"]
    assert len(bodies(EventKind.JOB_FINISHED)) == 1


def test_a_job_that_is_retried_finishes_twice(project: Project) -> None:
    make_webhook(project=project)
    user = make_user()
    job = make_job(1, project, user)
    actions.cancel(job, user)
    actions.resume(job, user)
    actions.cancel(job, user)
    assert [row["state"] for row in bodies(EventKind.JOB_FINISHED)] == ["cancelled", "cancelled"]


def test_a_verdict(project: Project) -> None:
    make_webhook(project=project)
    user = project.members.get()
    annotation = make_annotation(make_job(1, project, user).items.get())
    decide(annotation=annotation, user=user, decision="accept", seen_verdict_id=None)
    (row,) = bodies(EventKind.VERDICT_MADE)
    assert (row["annotation_id"], row["decision"], row["decided_by"]) == (
        str(annotation.public_id),
        "accept",
        "ada",
    )


def test_a_ready_export(project: Project) -> None:
    make_webhook(project=project)
    job = make_job(1, project, make_user())
    export = request_export(job=job, user=job.submitted_by, format="csv")
    held = exports.claim(worker="w")
    assert held is not None
    assert bodies(EventKind.EXPORT_READY) == []
    built = exports.Built("snapshot", datetime.now(UTC), 1, 1, 10, "0" * 64)
    assert exports.finish(held, built)
    assert not exports.finish(held, built)
    (row,) = bodies(EventKind.EXPORT_READY)
    assert (row["export_id"], row["sha256"]) == (str(export.public_id), "0" * 64)


@pytest.mark.parametrize("shared", [True, False])
def test_a_library_version(project: Project, tmp_path: Path, shared: bool) -> None:
    make_webhook(project=project)
    make_webhook()  # of another project
    file = tmp_path / "molecules.smi"
    file.write_text("CCO ethanol\n")
    import_library("Small ones", file, project=None if shared else project)
    (row,) = bodies(EventKind.LIBRARY_PUBLISHED)
    assert (row["library"], row["version"], row["n_molecules"], row["shared"]) == ("Small ones", 1, 1, shared)
    assert WebhookDelivery.objects.count() == (2 if shared else 1)


def test_events_nobody_wants_are_not_stored_and_cost_one_query(project: Project) -> None:
    make_webhook(project=project, events=["export.ready"])
    make_webhook(project=project, disabled_at=datetime.now(UTC))
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        n_stored = emit(EventKind.JOB_FINISHED, [Happened(project.pk, {})])
    assert (n_stored, WebhookEvent.objects.count()) == (0, 0)
    assert len([query for query in captured if "SAVEPOINT" not in query["sql"]]) == 1


def test_an_event_vanishes_with_its_transaction(project: Project) -> None:
    make_webhook(project=project)

    with transaction.atomic():
        assert emit(EventKind.JOB_FINISHED, [Happened(project.pk, {})]) == 1
        transaction.set_rollback(True)
    assert WebhookDelivery.objects.count() == 0
