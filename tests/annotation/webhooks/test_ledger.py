"""Deliveries: retried, recorded, paused, disabled, replayed, and never lost."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from annotation.models import AuditEvent, Webhook, WebhookAttempt, WebhookDelivery
from annotation.webhooks import ledger, transport
from annotation.webhooks.models import EventKind
from annotation.webhooks.outbox import Happened, emit
from tests.annotation.webhooks.builders import make_delivery, make_webhook
from tests.annotation.webhooks.receiver import Receiver, running

pytestmark = pytest.mark.django_db
State = WebhookDelivery.State


def make_due(webhook: Webhook) -> None:
    """As if the waits were over."""
    webhook.deliveries.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    Webhook.objects.filter(pk=webhook.pk).update(paused_until=None)


def deliver_all() -> int:
    n = 0
    while ledger.deliver_next():
        n += 1
    return n


def test_a_delivery_is_sent_once_and_listed(webhook: Webhook, receiver: Receiver) -> None:
    delivery = make_delivery(webhook)
    assert deliver_all() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 1)
    (row,) = delivery.tries.all()
    assert (row.status, row.error, row.finished_at is not None) == (204, "", True)
    (body,) = receiver.verified(webhook.secret)
    assert (body["type"], body["data"]) == ("webhook.test", {"text": "Grüße"})
    assert receiver.ids == [delivery.event.message_id]


def test_a_receiver_that_fails_gets_the_same_message_until_it_heals(
    webhook: Webhook, receiver: Receiver, settings: Settings
) -> None:
    settings.GLMR_WEBHOOK_TIMEOUT_S = 1
    receiver.answers = [500, 503, "hang", 302, 204]
    delivery = make_delivery(webhook)
    for _ in range(4):
        assert deliver_all() == 1  # then the webhook pauses
        delivery.refresh_from_db()
        assert delivery.state == State.PENDING
        assert delivery.next_attempt_at > timezone.now()
        make_due(webhook)
    assert deliver_all() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 5)
    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.requests}) == 1
    assert [row.status for row in delivery.tries.all()] == [500, 503, None, 302, 204]
    webhook.refresh_from_db()
    assert (webhook.n_failures, webhook.failing_since, webhook.paused_until) == (0, None, None)


def test_waits_grow_with_jitter_to_a_day_and_last_for_days() -> None:
    waits = [ledger.wait_after(n) for n in range(1, len(ledger.WAITS) + 1)]
    assert waits[0] <= timedelta(seconds=6)
    assert sum(waits, timedelta()) > timedelta(days=4)
    assert len({ledger.wait_after(8) for _ in range(5)}) > 1
    asked = ledger.wait_after(1, transport.Reply(429, retry_after_s=600))
    assert asked == timedelta(seconds=600)
    assert ledger.wait_after(1, transport.Reply(429, retry_after_s=999_999)) == timedelta(days=1)


def test_after_the_last_wait_a_delivery_is_given_up_and_can_be_replayed(
    webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = [500]
    delivery = make_delivery(webhook)
    webhook.deliveries.update(n_failures=len(ledger.WAITS))
    assert deliver_all() == 1
    delivery.refresh_from_db()
    assert delivery.state == State.FAILED
    receiver.answers = [200]
    ledger.replay(delivery)
    assert deliver_all() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 2)
    assert len(set(receiver.ids)) == 1


def test_410_disables_and_says_so(webhook: Webhook, receiver: Receiver) -> None:
    receiver.answers = [410]
    make_delivery(webhook)
    deliver_all()
    webhook.refresh_from_db()
    assert webhook.disabled_at is not None
    assert "410" in webhook.disabled_reason
    event = AuditEvent.objects.get(kind=AuditEvent.Kind.WEBHOOK_DISABLED)
    assert (event.subject, event.project) == (webhook.url, webhook.project.slug)
    make_due(webhook)
    assert deliver_all() == 0
    receiver.answers = [204]
    ledger.enable(webhook)
    assert deliver_all() == 1


def test_days_of_failures_disable(webhook: Webhook, receiver: Receiver, settings: Settings) -> None:
    receiver.answers = [500]
    make_delivery(webhook)
    deliver_all()
    webhook.refresh_from_db()
    assert webhook.disabled_at is None
    Webhook.objects.update(failing_since=timezone.now() - timedelta(days=6))
    make_due(webhook)
    deliver_all()
    webhook.refresh_from_db()
    assert "5 days" in webhook.disabled_reason


def test_a_failing_receiver_gets_one_try_at_a_time_and_delays_no_other(
    webhook: Webhook, receiver: Receiver
) -> None:
    receiver.answers = [500]
    with running() as healthy:
        other = make_webhook(url=healthy.url)
        for _ in range(5):
            make_delivery(webhook)
            make_delivery(other)
        deliver_all()
        assert len(healthy.requests) == 5
        assert len(receiver.requests) == 1
    make_due(webhook)
    held = ledger.claim()
    assert held is not None
    assert ledger.claim() is None


def test_a_process_that_dies_after_sending_sends_the_same_message_again(
    webhook: Webhook, receiver: Receiver
) -> None:
    delivery = make_delivery(webhook)
    held = ledger.claim()
    assert held is not None
    assert transport.send(held.message, timezone.now()).is_success  # and now the process dies
    assert ledger.claim() is None, "its lease is still valid"
    make_due(webhook)
    assert deliver_all() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 2)
    assert receiver.ids == [delivery.event.message_id] * 2
    assert [row.finished_at is None for row in delivery.tries.all()] == [True, False]


def test_a_late_failure_of_a_process_that_was_given_up_changes_nothing(webhook: Webhook) -> None:
    delivery = make_delivery(webhook)
    slow = ledger.claim()
    make_due(webhook)
    assert deliver_all() == 1
    assert slow is not None
    ledger.record(slow, transport.Reply(None, "No answer."))
    delivery.refresh_from_db()
    assert delivery.state == State.DELIVERED


@pytest.mark.django_db(transaction=True)
def test_processes_at_the_same_time_send_each_message_once(webhook: Webhook, receiver: Receiver) -> None:
    with transaction.atomic():
        emit(EventKind.JOB_FINISHED, [Happened(webhook.project_id, {"n": n}) for n in range(20)])

    def work() -> None:
        try:
            deliver_all()
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not list(WebhookAttempt.objects.exclude(status=204).values_list("number", "error", "duration_ms"))
    assert len(receiver.ids) == len(set(receiver.ids)) == 20


def test_old_deliveries_are_forgotten_but_not_those_that_wait(webhook: Webhook) -> None:
    make_delivery(webhook)
    deliver_all()
    waiting = make_delivery(webhook)
    later = timezone.now() + timedelta(days=31)
    ledger.forget_old(later)
    assert list(WebhookDelivery.objects.all()) == [waiting]
    assert WebhookAttempt.objects.count() == 0


def test_nothing_is_sent_to_an_address_that_became_forbidden(
    webhook: Webhook, receiver: Receiver, settings: Settings
) -> None:
    make_delivery(webhook)
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    deliver_all()
    assert receiver.connections == 0
    assert "GLMR_WEBHOOK_ALLOW" in WebhookAttempt.objects.get().error
