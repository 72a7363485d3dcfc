"""The ledger of exports: a killed worker neither loses nor doubles one, and files end."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from annotation.exports import build, ledger
from annotation.exports.actions import MAX_OPEN_PER_PROJECT, CannotExport, request_export
from annotation.exports.contents import CannotBuild
from annotation.exports.formats.registry import WRITERS, Writer
from annotation.models import Export, Job
from annotation.review.actions import decide
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.exports.building import built, mixed_job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job() -> Job:
    return mixed_job()


def request(job: Job, **values: Any) -> Export:
    return request_export(job=job, user=job.submitted_by, **({"format": "csv"} | values))


def let_lease_expire() -> None:
    Export.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def files() -> list[str]:
    return sorted(path.name for path in ledger.path_of(ledger.FOLDER).glob("*"))


def test_an_export_is_built_once_and_recorded(job: Job) -> None:
    export, path = built(job, "csv")
    assert (export.n_features, export.n_rows, export.attempts) == (5, 5, 1)
    assert (export.size_bytes, export.sha256) == (path.stat().st_size, build._sha256(path))
    assert export.expires_at is not None
    assert export.expires_at - timezone.now() > timedelta(days=settings.GLMR_EXPORT_DAYS - 1)
    assert not build.build_next(worker="test")
    assert not [name for name in files() if name.endswith(".unfinished")]


def test_two_workers_never_hold_the_same_export(job: Job) -> None:
    request(job)
    assert ledger.claim(worker="a") is not None
    assert ledger.claim(worker="b") is None


def test_what_a_killed_worker_held_is_built_by_the_next(job: Job) -> None:
    export = request(job)
    dead = ledger.claim(worker="dead")
    assert dead is not None
    folder = ledger.path_of(dead.work_folder)
    folder.mkdir(parents=True)
    (folder / "half").write_text("half a file")
    assert not build.build_next(worker="b")  # its lease still holds

    let_lease_expire()
    assert build.build_next(worker="b")
    export.refresh_from_db()
    assert (export.state, export.attempts) == (Export.State.READY, 2)
    assert [name for name in files() if export.public_id.hex in name] == [export.file.split("/")[1]]


def test_a_worker_that_was_given_up_changes_nothing(job: Job) -> None:
    export = request(job)
    slow = ledger.claim(worker="slow")
    assert slow is not None
    result = build.build(slow)
    let_lease_expire()
    assert build.build_next(worker="b")
    before = Export.objects.get(pk=export.pk)

    assert not ledger.finish(slow, result)
    assert not ledger.renew(slow)
    assert not ledger.fail(slow, "late")
    after = Export.objects.get(pk=export.pk)
    assert (after.file, after.attempts, after.state) == (before.file, 2, Export.State.READY)
    assert ledger.path_of(after.file).exists()


def test_what_kills_each_worker_fails(job: Job) -> None:
    export = request(job)
    for _ in range(settings.GLMR_MAX_ATTEMPTS):
        assert ledger.claim(worker="dies") is not None
        let_lease_expire()
    assert ledger.claim(worker="next") is None
    export.refresh_from_db()
    assert export.state == Export.State.FAILED
    assert "died" in export.error


def test_a_refusal_fails_at_once_and_a_fault_is_tried_again(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise CannotBuild("Too many rows. Choose fewer.")

    def break_down(*_: object) -> int:
        raise RuntimeError("disk")

    export = request(job)
    monkeypatch.setitem(WRITERS, "csv", Writer(refuse, "text/csv"))
    assert build.build_next(worker="a")
    export.refresh_from_db()
    assert (export.state, export.error) == (Export.State.FAILED, "Too many rows. Choose fewer.")

    export = request(job)
    monkeypatch.setitem(WRITERS, "csv", Writer(break_down, "text/csv"))
    for _ in range(settings.GLMR_MAX_ATTEMPTS):
        assert build.build_next(worker="a")
    export.refresh_from_db()
    assert (export.state, export.attempts) == (Export.State.FAILED, settings.GLMR_MAX_ATTEMPTS)
    assert "RuntimeError: disk" in export.error


def test_a_worker_that_stops_gives_the_export_back(job: Job) -> None:
    export = request(job)
    assert build.build_next(worker="a", stopping=lambda: True)
    export.refresh_from_db()
    assert (export.state, export.attempts) == (Export.State.PENDING, 0)
    assert not [name for name in files() if export.public_id.hex in name]


def test_files_go_when_their_time_is_over(job: Job) -> None:
    export, path = built(job, "csv")
    _, kept_path = built(job, "tsv")
    Export.objects.filter(pk=export.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ledger.expire() == 1
    export.refresh_from_db()
    assert (export.state, export.file) == (Export.State.EXPIRED, "")
    assert not path.exists()
    assert kept_path.exists()
    assert ledger.expire() == 0


def test_the_snapshot_id_names_what_the_job_holds(job: Job) -> None:
    first, second = built(job, "csv")[0], built(job, "json")[0]
    assert first.snapshot_id == second.snapshot_id
    annotation = job.annotations.get(item__position=0)
    decide(annotation=annotation, user=job.submitted_by, decision="accept", seen_verdict_id=None)
    assert built(job, "csv")[0].snapshot_id != first.snapshot_id
    other = make_job(1)
    make_annotation(other.items.get())
    assert built(other, "csv")[0].snapshot_id != first.snapshot_id


def test_results_that_arrive_during_a_build_stay_out(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second connection adds a verdict while the file is written."""

    def decide_elsewhere() -> None:
        annotation = Job.objects.get(pk=job.pk).annotations.get(item__position=0)
        decide(annotation=annotation, user=job.submitted_by, decision="accept", seen_verdict_id=None)
        connection.close()

    plain = WRITERS["csv"].write

    def write(contents: Any, path: Any) -> int:
        list(contents.results())
        thread = threading.Thread(target=decide_elsewhere)
        thread.start()
        thread.join()
        return plain(contents, path)

    monkeypatch.setitem(WRITERS, "csv", Writer(write, "text/csv"))
    _, path = built(job, "csv")
    assert job.annotations.get(item__position=0).verdicts.count() == 1
    assert ",accept," not in path.read_text()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"format": "docx"}, "format"),
        ({"filter_query": "mz_from=x"}, "filter"),
        ({"top": 0}, "top"),
        ({"top": 5000}, "top"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_field(
    job: Job, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(CannotExport) as refusal:
        request(job, **values)
    assert refusal.value.field == field


def test_a_project_cannot_fill_the_queue(job: Job) -> None:
    for _ in range(MAX_OPEN_PER_PROJECT):
        request(job)
    with pytest.raises(CannotExport, match="wait already"):
        request(job)
