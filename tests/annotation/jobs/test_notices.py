"""Mails when a job ends: due until they are sent, sent once, and again after a retry."""

from __future__ import annotations

import smtplib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from annotation.jobs import actions, ledger, notices
from annotation.models import EndNotice, Job, JobItem, Membership
from tests.annotation.builders import make_job, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _mail(settings: Settings) -> None:
    settings.SENDS_MAIL = True
    settings.GLMR_PUBLIC_URL = "https://glmr.example.org/"


def finished_job(state: JobItem.State = JobItem.State.DONE) -> Job:
    job = make_job(n_spectra=2)
    notices.ask(job, job.submitted_by)
    end(job, state)
    return job


def end(job: Job, state: JobItem.State) -> None:
    batch = ledger.claim(limit=10, worker="w")
    assert batch is not None
    with transaction.atomic():
        JobItem.objects.held(batch.items).end(state)
        ledger.close_finished([job.pk])
    job.refresh_from_db()


def test_the_mail_states_the_outcome_and_is_sent_once() -> None:
    job = finished_job(JobItem.State.UNUSABLE)

    assert [notices.send_next(), notices.send_next()] == [True, False]

    (message,) = mail.outbox
    assert message.to == [job.submitted_by.email]
    assert message.subject == f"Failed: {job.name}"
    assert "2 cannot be annotated" in message.body
    assert f"https://glmr.example.org/jobs/{job.public_id}/" in message.body


def test_nothing_is_sent_before_the_end_or_without_a_request() -> None:
    open_job = make_job(n_spectra=1)
    notices.ask(open_job, open_job.submitted_by)
    Job.objects.filter(pk=make_job(n_spectra=1).pk).update(finished_at=timezone.now())
    assert not notices.send_next()
    late = Job.objects.exclude(finished_at=None).get()
    notices.ask(late, late.submitted_by)
    assert not notices.send_next()


def test_a_job_that_is_retried_is_announced_again() -> None:
    job = finished_job(JobItem.State.FAILED)
    notices.send_next()
    actions.retry_failed(job, job.submitted_by)
    assert not notices.send_next()
    end(job, JobItem.State.DONE)
    assert notices.send_next()
    assert [message.subject.partition(":")[0] for message in mail.outbox] == ["Failed", "Done"]
    first, second = (message.extra_headers["Message-ID"] for message in mail.outbox)
    assert first != second


def test_a_mail_server_that_is_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    finished_job()
    with monkeypatch.context() as away:
        away.setattr(EmailMessage, "send", _refuse)
        assert not notices.send_next()
    notice = EndNotice.objects.get()
    assert (notice.sent_for, notice.n_failures) == (None, 1)
    assert not notices.send_next()  # it waits
    EndNotice.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    assert notices.send_next()
    assert len(mail.outbox) == 1


def _refuse(_: EmailMessage) -> int:
    raise smtplib.SMTPServerDisconnected("The mail server is away.")


def test_a_crash_after_the_mail_sends_the_same_message_again(monkeypatch: pytest.MonkeyPatch) -> None:
    finished_job()
    with monkeypatch.context() as crash:
        crash.setattr(EndNotice, "save", _die)
        with pytest.raises(SystemExit):
            notices.send_next()
    assert notices.send_next()
    first, second = (message.extra_headers["Message-ID"] for message in mail.outbox)
    assert first == second


def _die(*_: object, **__: object) -> None:
    raise SystemExit


def test_who_may_no_longer_see_the_project_gets_no_mail() -> None:
    job = finished_job()
    Membership.objects.filter(user=job.submitted_by).delete()
    assert notices.send_next()  # done with it
    assert mail.outbox == []
    assert not notices.send_next()


def test_later_jobs_follow_the_last_choice() -> None:
    first = make_job(n_spectra=1)
    notices.ask(first, first.submitted_by)
    second = make_job(n_spectra=1, user=first.submitted_by)
    notices.follow_habit(second, first.submitted_by)
    assert notices.is_wanted(second, first.submitted_by)
    notices.withdraw(second, first.submitted_by)
    third = make_job(n_spectra=1, user=first.submitted_by)
    notices.follow_habit(third, first.submitted_by)
    assert not notices.is_wanted(third, first.submitted_by)
    stranger = make_user()
    notices.follow_habit(make_job(n_spectra=1, user=stranger), stranger)
    assert not EndNotice.objects.filter(user=stranger).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_send_the_same_mail() -> None:
    for _ in range(6):
        finished_job()

    def send(_: int) -> int:
        n = 0
        while notices.send_next():
            n += 1
        connection.close()
        return n

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(send, range(3))) == 6
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == len(mail.outbox) == 6
