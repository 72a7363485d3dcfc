"""Webhooks over REST: add, change, rotate, test, list, replay."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient
from standardwebhooks import Webhook as Verifier

from annotation.models import AuditEvent, Webhook
from annotation.webhooks import ledger
from annotation.webhooks.actions import MAX_PER_PROJECT
from tests.annotation.api.world import World
from tests.annotation.webhooks.builders import make_webhook
from tests.annotation.webhooks.receiver import running

HOOK = {"url": "https://lims.example.org/hooks", "events": ["verdict.made", "job.finished"]}


def add(client: APIClient, **overrides: Any) -> Any:
    return client.post("/api/v1/webhooks", HOOK | overrides, format="json")


def test_a_webhook_from_end_to_end(world: World, client: APIClient, settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    with running() as receiver:
        receiver.answers = [500, 204]
        answer = add(client, url=receiver.url)
        assert answer.status_code == 201
        hook = answer.json()
        assert hook["events"] == ["job.finished", "verdict.made"]
        address = f"/api/v1/webhooks/{hook['id']}"
        assert answer["Location"].endswith(address)
        assert "secret" not in client.get(address).json()
        tested = client.post(f"{address}/test")
        assert tested.status_code == 202
        ledger.deliver_next()
        delivery = client.get(tested["Location"]).json()
        assert (delivery["state"], delivery["attempts"], delivery["tries"][0]["status"]) == (
            "pending",
            1,
            500,
        )
        assert client.get(address).json()["failing_since"] is not None
        rotated = client.post(f"{address}/secret", {"overlap_hours": 1}, format="json").json()
        assert rotated["secret"] != hook["secret"]
        assert client.post(f"{tested['Location']}/replay").status_code == 202
        ledger.deliver_next()
        headers, body = receiver.requests[-1]
        for secret in (hook["secret"], rotated["secret"]):
            assert Verifier(secret).verify(body, headers)["type"] == "webhook.test"
    (listed,) = client.get(f"{address}/deliveries").json()["results"]
    assert (listed["state"], listed["event"], listed["attempts"]) == ("delivered", "webhook.test", 2)
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    details = AuditEvent.objects.filter(kind=AuditEvent.Kind.WEBHOOK_CHANGED).values_list("detail", flat=True)
    assert [detail.split()[0] for detail in details] == ["deleted", "secret", "added"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "http://lims.example.org/"}, "/url"),
        ({"url": "https://127.0.0.1/"}, "/url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "/url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["webhook.test"]}, "/events/0"),
    ],
)
def test_webhooks_that_are_refused(client: APIClient, change: dict[str, Any], pointer: str) -> None:
    answer = add(client, **change)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    webhook = Webhook.objects.first() or Webhook.objects.get(public_id=add(client).json()["id"])
    changed = client.patch(f"/api/v1/webhooks/{webhook.public_id}", change, format="json")
    assert changed.status_code == 422


def test_a_change_keeps_what_is_missing(world: World, client: APIClient) -> None:
    webhook = make_webhook(project=world.project, description="LIMS")
    answer = client.patch(
        f"/api/v1/webhooks/{webhook.public_id}", {"events": ["export.ready"]}, format="json"
    )
    assert answer.status_code == 200
    assert (answer.json()["events"], answer.json()["description"]) == (["export.ready"], "LIMS")


def test_a_disabled_webhook_gets_no_test_until_it_is_enabled(world: World, client: APIClient) -> None:
    webhook = make_webhook(project=world.project)
    ledger.disable(webhook, "410")
    address = f"/api/v1/webhooks/{webhook.public_id}"
    assert client.post(f"{address}/test").status_code == 409
    assert client.post(f"{address}/enable").json()["disabled_at"] is None
    assert client.post(f"{address}/test").status_code == 202


def test_a_project_has_a_limit(world: World, client: APIClient) -> None:
    for _ in range(MAX_PER_PROJECT):
        make_webhook(project=world.project)
    assert add(client).status_code == 422
