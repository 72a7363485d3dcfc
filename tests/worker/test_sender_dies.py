"""The process that sends webhooks is killed between the request and its record: the message comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.models import WebhookDelivery
from tests.annotation.webhooks.builders import make_delivery, make_webhook
from tests.annotation.webhooks.receiver import running
from tests.worker.processes import wait_until

if TYPE_CHECKING:
    from tests.worker.conftest import Start

pytestmark = pytest.mark.timeout(900)
ALLOWED = {"GLMR_WEBHOOK_ALLOW": "127.0.0.1"}


def test_sigkill_while_the_receiver_answers(start: Start) -> None:
    with running() as receiver:
        receiver.answers, receiver.hang_s = ["hang", 204], 600.0
        delivery = make_delivery(make_webhook(url=receiver.url))
        # The receiver has the message and does not answer, so the process dies before it can record.
        sender = start("sender", **ALLOWED, GLMR_WEBHOOK_TIMEOUT_S="300")
        wait_until(lambda: len(receiver.requests) == 1, "the first request")
        sender.kill()
        # As if the lease were over.
        WebhookDelivery.objects.update(next_attempt_at=delivery.next_attempt_at)

        start("sender", **ALLOWED)
        wait_until(lambda: len(receiver.requests) == 2, "the second request")
        wait_until(lambda: WebhookDelivery.objects.get().state == "delivered", "the record")
        assert receiver.ids == [delivery.event.message_id] * 2
        assert [row.finished_at is None for row in delivery.tries.all()] == [True, False]
        assert receiver.connections == 2
