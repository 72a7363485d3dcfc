"""Pages of a project's managers: who may open them, secrets shown once, number of queries."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.accounts.service_accounts import create, issue_token
from annotation.accounts.tokens import authenticate
from annotation.models import ApiToken, Membership, Role, ServiceAccount, Webhook, WebhookDelivery
from annotation.webhooks import ledger
from tests.annotation.builders import make_user
from tests.annotation.web.world import World
from tests.annotation.webhooks.builders import make_delivery, make_webhook


@pytest.fixture
def manager(world: World) -> Client:
    user = make_user("manager")
    Membership.objects.create(project=world.project, user=user, role=Role.MANAGER)
    client = Client()
    client.force_login(user)
    return client


def secret_in(content: bytes) -> str:
    text = content.decode()
    return text.partition("data-secret>")[2].partition("<")[0]


def test_only_managers_open_them(world: World, manager: Client) -> None:
    slug = world.project.slug
    account = create(project=world.project, name="lims", role=Role.VIEWER, by=None)
    token, _ = issue_token(account, name="", scopes=["read"], days=None)
    delivery = make_delivery(make_webhook(project=world.project))
    hook = delivery.webhook.public_id
    pages = [
        reverse("service-accounts", args=[slug]),
        reverse("service-account", args=[slug, account.public_id]),
        reverse("webhooks", args=[slug]),
        reverse("webhook", args=[slug, hook]),
        reverse("webhook-delivery", args=[slug, delivery.public_id]),
    ]
    targets = [
        reverse("project-token-rotate", args=[slug, token.prefix]),
        reverse("project-token-revoke", args=[slug, token.prefix]),
        reverse("service-account-close", args=[slug, account.public_id]),
        reverse("webhook-replay", args=[slug, delivery.public_id]),
        *(
            reverse(f"webhook-{name}", args=[slug, hook])
            for name in ("secret", "test", "enable", "disable", "remove")
        ),
    ]
    for person, status in (("viewer", 403), ("submitter", 403), ("curator", 403), ("stranger", 404)):
        client = world.client(person)
        assert {client.get(page).status_code for page in pages} == {status}
        assert {client.post(target).status_code for target in [*pages[:4], *targets]} == {status}
    assert {Client().get(page).status_code for page in pages} == {302}
    for client in (manager, world.client("admin")):
        assert {client.get(page).status_code for page in pages} == {200}
    assert ApiToken.objects.get().revoked_at is None
    assert Webhook.objects.count() == 1


def test_account_page_links_to_them(world: World, manager: Client) -> None:
    assert f'data-managed="{world.project.slug}"' in manager.get("/account/").content.decode()
    assert "data-managed" not in world.client("curator").get("/account/").content.decode()


def test_from_the_account_to_a_rotated_token(world: World, manager: Client) -> None:
    slug = world.project.slug
    accounts = reverse("service-accounts", args=[slug])
    assert b"errorlist" in manager.post(accounts, {"name": "two words", "role": "submitter"}).content
    assert manager.post(accounts, {"name": "lims", "role": "submitter"}).status_code == 302
    account = ServiceAccount.objects.get()
    page = reverse("service-account", args=[slug, account.public_id])
    assert b"errorlist" in manager.post(page, {"scopes": []}).content
    assert b"errorlist" in manager.post(page, {"scopes": ["review"]}).content
    secret = secret_in(manager.post(page, {"scopes": ["submit"], "days": "30"}).content)
    token = authenticate(secret)
    assert token is not None
    assert token.user == account.user
    assert secret not in manager.get(page).content.decode()
    rotation = reverse("project-token-rotate", args=[slug, token.prefix])
    renewed = secret_in(manager.post(rotation, {"overlap_hours": "24"}).content)
    assert authenticate(renewed) is not None
    assert authenticate(secret) is not None
    assert manager.post(reverse("project-token-revoke", args=[slug, token.prefix])).status_code == 302
    assert authenticate(secret) is None
    assert manager.post(reverse("service-account-close", args=[slug, account.public_id])).status_code == 302
    assert authenticate(renewed) is None


def test_a_webhook_is_added_tested_disabled_and_deleted(world: World, manager: Client) -> None:
    slug = world.project.slug
    page = reverse("webhooks", args=[slug])
    refused = manager.post(page, {"url": "https://10.0.0.1/", "events": ["job.finished"]})
    assert b"GLMR_WEBHOOK_ALLOW" in refused.content
    added = manager.post(page, {"url": "https://lims.example.org/", "events": ["job.finished"]})
    assert secret_in(added.content).startswith("whsec_")
    webhook = Webhook.objects.get()
    own = reverse("webhook", args=[slug, webhook.public_id])
    assert webhook.secret not in manager.get(own).content.decode()

    def act(name: str, **data: str) -> int:
        return manager.post(reverse(f"webhook-{name}", args=[slug, webhook.public_id]), data).status_code

    assert act("test") == 302
    delivery = WebhookDelivery.objects.get()
    ledger.claim()
    assert (
        b'data-try="1"' in manager.get(reverse("webhook-delivery", args=[slug, delivery.public_id])).content
    )
    assert manager.post(own, {"url": webhook.url, "events": ["verdict.made"]}).status_code == 302
    assert act("secret", overlap_hours="1") == 200
    assert act("disable") == 302
    assert b'data-notice="disabled"' in manager.get(own).content
    assert act("enable") == 302
    webhook.refresh_from_db()
    assert (webhook.events, webhook.disabled_at) == (["verdict.made"], None)
    assert act("remove") == 302
    assert not Webhook.objects.exists()


def test_queries_do_not_grow_with_rows(world: World, manager: Client) -> None:
    slug = world.project.slug
    counts: dict[str, set[int]] = {}
    for n in range(3):
        account = create(project=world.project, name=f"lims-{n}", role=Role.VIEWER, by=None)
        for _ in range(n + 1):
            issue_token(account, name="", scopes=["read"], days=None)
        webhook = make_webhook(project=world.project)
        for _ in range(n + 1):
            make_delivery(webhook)
        for page in (
            reverse("service-accounts", args=[slug]),
            reverse("service-account", args=[slug, account.public_id]),
            reverse("webhooks", args=[slug]),
            reverse("webhook", args=[slug, webhook.public_id]),
        ):
            with CaptureQueriesContext(connection) as captured:
                manager.get(page)
            counts.setdefault(
                page.replace(str(account.public_id), "").replace(str(webhook.public_id), ""), set()
            ).add(len(captured))
    assert all(len(seen) == 1 and max(seen) <= 11 for seen in counts.values()), counts
