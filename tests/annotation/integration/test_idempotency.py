"""Idempotency keys: one response each, none for failed work, and no key is blocked by a crash."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.utils import timezone

from annotation.integration.idempotency import KEPT_FOR, KeyReused, StillInFlight, StoredResponse, claim_key
from annotation.models import IdempotencyKey
from tests.annotation.builders import make_user

DONE = StoredResponse(202, {"Location": "/there"}, {"id": 7})


def work(user: User, key: str = "k", request: str = "a" * 64) -> StoredResponse | None:
    """Claim the key as a view does. Returns the response that was stored before."""
    with claim_key(user=user, token=None, key=key, request_sha256=request) as claim:
        if claim.response is None:
            claim.store(DONE)
        return claim.response


@pytest.mark.django_db
def test_second_request_gets_the_first_response() -> None:
    user = make_user()
    assert work(user) is None
    assert work(user) == DONE


@pytest.mark.django_db
def test_another_request_with_the_key_is_refused() -> None:
    user = make_user()
    work(user)
    with pytest.raises(KeyReused):
        work(user, request="b" * 64)


@pytest.mark.django_db
def test_keys_of_two_people_are_independent() -> None:
    work(make_user())
    assert work(make_user(), request="b" * 64) is None


@pytest.mark.django_db
def test_failed_work_stores_no_response() -> None:
    user = make_user()

    def fail_after_storing() -> None:
        with claim_key(user=user, token=None, key="k", request_sha256="a" * 64) as claim:
            claim.store(DONE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_storing()
    assert work(user, request="b" * 64) is None


@pytest.mark.django_db
def test_an_old_key_is_deleted() -> None:
    user = make_user()
    work(user)
    IdempotencyKey.objects.update(created_at=timezone.now() - KEPT_FOR - timedelta(seconds=1))
    assert work(user, request="b" * 64) is None
    IdempotencyKey.objects.update(created_at=timezone.now() - KEPT_FOR - timedelta(seconds=1))
    work(user, key="another")
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_second_request_is_refused_while_the_first_is_in_flight() -> None:
    user = make_user()
    started, may_finish = threading.Event(), threading.Event()

    def first() -> None:
        try:
            with claim_key(user=user, token=None, key="k", request_sha256="a" * 64) as claim:
                started.set()
                may_finish.wait(10)
                claim.store(DONE)
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(10)
    with pytest.raises(StillInFlight):
        work(user)
    may_finish.set()
    thread.join()
    assert work(user) == DONE


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_does_not_block_its_key() -> None:
    user = make_user()

    def die() -> None:
        # Leaving the transaction fails as well, because the connection is closed.
        with suppress(DatabaseError), claim_key(user=user, token=None, key="k", request_sha256="a" * 64):
            connection.connection.close()  # as the kernel does for a killed process

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    assert work(user) is None
