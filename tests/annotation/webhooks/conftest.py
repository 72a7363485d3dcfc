"""A receiver on loopback, which the administrator allows, and a webhook that leads to it.

pytest reads this before Django is set up: import late.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_django import Settings

    from annotation.models import Webhook
    from tests.annotation.webhooks.receiver import Receiver


@pytest.fixture
def _allow_this_address(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.1/32"]
    settings.GLMR_WEBHOOK_TIMEOUT_S = 5  # the tests of hanging receivers choose less


@pytest.fixture
def receiver(_allow_this_address: None) -> Iterator[Receiver]:
    from tests.annotation.webhooks.receiver import running

    with running() as started:
        yield started


@pytest.fixture
def webhook(db: None, receiver: Receiver) -> Webhook:
    from tests.annotation.webhooks.builders import make_webhook

    return make_webhook(url=receiver.url)
