"""Answers take the same number of queries for any number of rows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from annotation.accounts.service_accounts import create
from annotation.models import Export, Job, Role, WebhookDelivery
from annotation.review.actions import decide
from tests.annotation.api.world import World
from tests.annotation.builders import make_annotation, make_import, make_job, make_library_version
from tests.annotation.webhooks.builders import make_delivery, make_webhook


def make(world: World, n_spectra: int) -> Job:
    job = make_job(
        n_spectra, world.project, world.user, model_version=world.model, library_version=world.version
    )
    for item in job.items.all():
        annotation = make_annotation(item)
        decide(annotation=annotation, user=world.user, decision="accept", seen_verdict_id=None)
        Export.objects.create(job=job, requested_by=world.user, format="csv")
        make_import(world.user, project=world.project)
        make_delivery(make_webhook(project=world.project))
        create(project=world.project, name=f"lims-{item.pk}", role=Role.SUBMITTER, by=world.user)
    return job


# The token takes one query of each; a second one, once a minute, notes its use.
@pytest.mark.parametrize(
    ("address", "n_queries"),
    [
        ("/api/v1/jobs", 7),
        ("/api/v1/jobs/{job}/items", 3),
        ("/api/v1/jobs/{job}/results?top=3", 8),
        ("/api/v1/jobs/{job}/results.csv", 8),
        ("/api/v1/jobs/{job}/exports", 3),
        ("/api/v1/annotations/{annotation}", 9),
        ("/api/v1/uploads/{upload}/features", 3),
        ("/api/v1/libraries", 3),
        ("/api/v1/imports", 2),
        ("/api/v1/models", 2),
        ("/api/v1/service-accounts", 3),
        ("/api/v1/tokens", 2),
        ("/api/v1/webhooks", 2),
        ("/api/v1/webhooks/{webhook}/deliveries", 4),
        ("/api/v1/webhook-deliveries/{delivery}", 4),
    ],
)
def test_queries_do_not_grow_with_rows(world: World, client: APIClient, address: str, n_queries: int) -> None:
    jobs = [make(world, 1), make(world, 4), make(world, 4)]
    for _ in range(3):
        make_library_version(library=world.version.library)
    client.get("/api/v1/projects")  # notes the use of the token
    for job in jobs[:2]:
        first = job.annotations.select_related("spectrum").first()
        assert first is not None
        delivery = WebhookDelivery.objects.select_related("webhook").latest("pk")
        path = address.format(
            job=job.public_id,
            annotation=first.public_id,
            upload=first.spectrum.upload_id,
            webhook=delivery.webhook.public_id,
            delivery=delivery.public_id,
        )
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(path)
            assert answer.status_code == 200
            if answer.streaming:
                answer.getvalue()
        assert len(captured) == n_queries, [query["sql"][:120] for query in captured]
