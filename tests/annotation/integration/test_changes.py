"""The feed of changes: a reader misses nothing, whatever order transactions commit in."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection, transaction
from django.utils import timezone

from annotation.integration.changes import Forgotten, latest_sequence, read_changes
from annotation.integration.models import Change
from annotation.models import Export, Job, Project
from annotation.review.actions import decide
from tests.annotation.builders import make_annotation, make_job, make_project

WRITERS = 8


def everything(project: Project, after: int | None = None) -> list[Change]:
    """All changes, in small pages."""
    found: list[Change] = []
    while True:
        page = read_changes(Project.objects.filter(pk=project.pk), after, 3)
        found += page.changes
        if not page.has_more:
            return found
        after = page.last


@pytest.mark.django_db
def test_jobs_exports_and_verdicts_are_listed() -> None:
    job = make_job(1)
    annotation = make_annotation(job.items.get())
    before = latest_sequence()
    Export.objects.create(job=job, requested_by=job.submitted_by, format="csv")
    decide(
        annotation=annotation, user=job.submitted_by, decision="reject", reason="Noise.", seen_verdict_id=None
    )
    changes = everything(job.project, before)
    assert {(change.kind, change.public_id) for change in changes} == {
        ("export", job.exports.get().public_id),
        ("verdict", annotation.public_id),
        ("job", job.public_id),
    }
    assert everything(make_project(), before) == []


@pytest.mark.django_db(transaction=True)
def test_a_late_commit_is_listed_after_what_was_read_before() -> None:
    slow, quick = make_job(1), make_job(1)
    start = latest_sequence()
    began, may_end = threading.Event(), threading.Event()

    def change_slowly() -> None:
        with transaction.atomic():
            Job.objects.filter(pk=slow.pk).update(name="slow")
            began.set()
            may_end.wait(20)
        connection.close()

    thread = threading.Thread(target=change_slowly)
    thread.start()
    assert began.wait(20)
    Job.objects.filter(pk=quick.pk).update(name="quick")
    seen = read_changes(Project.objects.all(), start, 100)
    assert [change.public_id for change in seen.changes] == [quick.public_id]
    may_end.set()
    thread.join()
    later = read_changes(Project.objects.all(), seen.last, 100)
    assert [change.public_id for change in later.changes] == [slow.public_id]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_was_rolled_back_is_not_listed() -> None:
    job = make_job(1)
    start = latest_sequence()
    with transaction.atomic():
        Job.objects.filter(pk=job.pk).update(name="never")
        transaction.set_rollback(True)
    assert read_changes(Project.objects.all(), start, 100).changes == ()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_eight_slow_writers_and_a_poller(seconds: int) -> None:
    jobs = [make_job(1) for _ in range(WRITERS)]
    start = latest_sequence()
    ends_at = time.monotonic() + seconds

    def write(number: int) -> Counter[str]:
        """Change random jobs in transactions with random delays. The committed changes of each job."""
        dice, committed = random.Random(number), Counter[str]()
        while time.monotonic() < ends_at:
            # In the order of ids, as every writer of the server locks jobs.
            chosen = sorted(dice.sample(jobs, dice.randint(1, 3)), key=lambda job: job.pk)
            keep = dice.random() < 0.8
            with transaction.atomic():
                for job in chosen:
                    Job.objects.filter(pk=job.pk).update(updated_at=timezone.now())
                    time.sleep(dice.random() ** 3 * 0.1)
                transaction.set_rollback(not keep)
            if keep:
                committed.update(str(job.public_id) for job in chosen)
        connection.close()
        return committed

    def poll(writing: threading.Event) -> list[Change]:
        seen: list[Change] = []
        after = start
        while True:
            last_round = not writing.is_set()
            page = read_changes(Project.objects.all(), after, 5)
            seen += page.changes
            after = page.last
            if last_round and not page.has_more:
                connection.close()
                return seen

    writing = threading.Event()
    writing.set()
    with ThreadPoolExecutor(WRITERS + 2) as threads:
        polls = [threads.submit(poll, writing) for _ in range(2)]
        writes = [threads.submit(write, number) for number in range(WRITERS)]
        committed: Counter[str] = sum((done.result() for done in writes), Counter())
        writing.clear()
        for done in polls:
            seen = done.result()
            assert Counter(str(change.public_id) for change in seen) == committed
            numbers = [change.sequence or 0 for change in seen]
            assert all(earlier < later for earlier, later in pairwise(numbers))


@pytest.mark.django_db
def test_what_is_too_old_is_forgotten_and_the_reader_is_told() -> None:
    first = make_job(1)
    sequence = latest_sequence()
    make_job(1)
    latest_sequence()
    Change.objects.update(at=timezone.now() - timedelta(days=40))
    make_job(1)
    newest = latest_sequence()
    assert Change.objects.count() == 1
    with pytest.raises(Forgotten):
        read_changes(Project.objects.all(), sequence, 10)
    with pytest.raises(Forgotten):  # of a database that was restored from a backup
        read_changes(Project.objects.all(), newest + 1, 10)
    assert read_changes(Project.objects.all(), newest, 10).changes == ()
    assert first.project_id
