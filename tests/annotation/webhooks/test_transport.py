"""Requests to a real receiver: signed, checked, pinned, in time, without redirects."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from pytest_django import Settings
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from annotation.webhooks.models import new_secret
from annotation.webhooks.transport import ANSWER_BYTES, Message, Reply, headers_of, send
from tests.annotation.webhooks.receiver import Receiver, running

BODY = '{"type":"webhook.test","data":{}}'


def message(url: str, *secrets: str) -> Message:
    return Message("msg_1", BODY, url, secrets or (new_secret(),))


def send_now(message: Message, *addresses: str) -> Reply:
    if not addresses:
        return send(message, datetime.now(UTC))
    return send(message, datetime.now(UTC), lambda host, port: list(addresses))


def test_the_published_example_of_the_specification() -> None:
    """The secret, message and signature that the libraries of the Standard Webhooks test with."""
    example = Message(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        '{"test": 2432232314}',
        "",
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
    )
    headers = dict(headers_of(example, datetime.fromtimestamp(1614265330, UTC)))
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_active_secrets_verify_and_no_other(receiver: Receiver) -> None:
    new, old = new_secret(), new_secret()
    assert send_now(message(receiver.url, new, old)).is_success
    ((headers, body),) = receiver.requests
    for secret in (new, old):
        assert Verifier(secret).verify(body, headers) == {"type": "webhook.test", "data": {}}
    with pytest.raises(WebhookVerificationError):
        Verifier(new_secret()).verify(body, headers)


def test_the_name_stays_in_the_request(receiver: Receiver, settings: Settings) -> None:
    url = f"http://lims.lan:{receiver.port}/hook"
    assert send_now(message(url), "127.0.0.1").is_success
    assert receiver.requests[0][0]["host"] == f"lims.lan:{receiver.port}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    with running() as other:
        receiver.answers, receiver.headers = [status], {"Location": other.url}
        reply = send_now(message(receiver.url))
        assert (reply.status, reply.is_success, "redirect" in reply.error) == (status, False, True)
        assert other.connections == 0


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_receiver_that_does_not_end_is_left_after_the_time(
    receiver: Receiver, settings: Settings, answer: str
) -> None:
    receiver.answers, settings.GLMR_WEBHOOK_TIMEOUT_S = [answer], 1
    started = time.monotonic()
    reply = send_now(message(receiver.url))
    assert time.monotonic() - started < 2.5
    assert (reply.status, reply.is_success) == (None, False)
    assert "1 s" in reply.error


def test_answers_are_cut(receiver: Receiver) -> None:
    receiver.answers = [500]
    assert len(send_now(message(receiver.url)).answer) == ANSWER_BYTES


def test_nobody_listens() -> None:
    reply = send_now(message("https://nobody.invalid/"))
    assert reply.status is None
    assert reply.error.startswith("No connection")


def test_a_name_that_leads_to_loopback_is_never_called() -> None:
    with running() as canary:
        for address in ("127.0.0.1", "::ffff:127.0.0.1"):
            reply = send_now(message(f"https://rebind.example.org:{canary.port}/"), address)
            assert "no public address" in reply.error
        assert canary.connections == 0


def test_a_name_that_changes_between_check_and_connection_leads_nowhere_else(receiver: Receiver) -> None:
    """The resolver gives the allowed address first and another one for every later question."""
    with running("127.0.0.2", receiver.port) as canary:
        answers = [["127.0.0.1"]]
        asked = []

        def rebind(host: str, port: int) -> list[str]:
            asked.append(host)
            return answers.pop(0) if answers else ["127.0.0.2"]

        url = f"http://rebind.example.org:{receiver.port}/hook"
        assert send(message(url), datetime.now(UTC), rebind).is_success
        assert (asked, canary.connections, len(receiver.requests)) == (["rebind.example.org"], 0, 1)
        refused = send(message(url), datetime.now(UTC), rebind)
        assert "no public address" in refused.error
        assert canary.connections == 0


def test_the_next_address_is_tried_if_the_first_does_not_answer(
    receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    url = f"http://lims.lan:{receiver.port}/hook"
    assert send_now(message(url), "127.0.0.3", "127.0.0.1").is_success


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send_now(message(receiver.url)).is_success
        assert proxy.connections == 0
