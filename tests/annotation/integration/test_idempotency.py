"""Keys: one answer each, none for refused work, none blocked by a death, none shared between callers."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.utils import timezone

from annotation.integration.idempotency import KEPT_FOR, Answer, KeyReused, StillInFlight, claim_key
from annotation.models import IdempotencyKey
from tests.annotation.builders import make_user

DONE = Answer(202, {"Location": "/there"}, {"id": 7})


def work(user: User, key: str = "k", request: str = "a" * 64) -> Answer | None:
    """Answer as a view does; returns the answer that stood already."""
    with claim_key(user=user, token=None, key=key, request_sha256=request) as mine:
        if mine.answer is None:
            mine.keep(DONE)
        return mine.answer


@pytest.mark.django_db
def test_second_request_gets_the_first_answer() -> None:
    user = make_user()
    assert work(user) is None
    assert work(user) == DONE


@pytest.mark.django_db
def test_another_request_under_the_key_is_refused() -> None:
    user = make_user()
    work(user)
    with pytest.raises(KeyReused):
        work(user, request="b" * 64)


@pytest.mark.django_db
def test_keys_of_two_people_do_not_meet() -> None:
    work(make_user())
    assert work(make_user(), request="b" * 64) is None


@pytest.mark.django_db
def test_failed_work_keeps_no_answer() -> None:
    user = make_user()

    def fails_after_its_answer() -> None:
        with claim_key(user=user, token=None, key="k", request_sha256="a" * 64) as mine:
            mine.keep(DONE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_after_its_answer()
    assert work(user, request="b" * 64) is None


@pytest.mark.django_db
def test_an_old_key_is_forgotten() -> None:
    user = make_user()
    work(user)
    IdempotencyKey.objects.update(created_at=timezone.now() - KEPT_FOR - timedelta(seconds=1))
    assert work(user, request="b" * 64) is None
    IdempotencyKey.objects.update(created_at=timezone.now() - KEPT_FOR - timedelta(seconds=1))
    work(user, key="another")
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_second_request_in_flight_is_told_so_and_later_gets_the_answer() -> None:
    user = make_user()
    started, answered = threading.Event(), threading.Event()

    def first() -> None:
        try:
            with claim_key(user=user, token=None, key="k", request_sha256="a" * 64) as mine:
                started.set()
                answered.wait(10)
                mine.keep(DONE)
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(10)
    with pytest.raises(StillInFlight):
        work(user)
    answered.set()
    thread.join()
    assert work(user) == DONE


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_leaves_no_key_blocked() -> None:
    user = make_user()

    def dies() -> None:
        # Leaving the transaction fails too, as nobody is there to be answered.
        with suppress(DatabaseError), claim_key(user=user, token=None, key="k", request_sha256="a" * 64):
            connection.connection.close()  # as the kernel does for a killed process

    thread = threading.Thread(target=dies)
    thread.start()
    thread.join()
    assert work(user) is None
