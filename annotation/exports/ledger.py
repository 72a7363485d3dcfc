"""The state changes of exports: claim, renew, finish, fail, release, expire. No other module changes one.

A claim sets a lease. A worker that dies lets it expire, and the next claim takes the export again. Only the
latest claim may finish it, so a worker that was given up changes nothing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from annotation.exports.models import Export, ExportQuerySet
from annotation.webhooks import outbox
from annotation.webhooks.models import EventKind
from annotation.webhooks.outbox import Happened

FOLDER = "exports"


@dataclass(frozen=True, slots=True)
class Claim:
    """Proof that a worker holds an export, and what it has to build."""

    export: Export
    attempt: int

    @property
    def is_last(self) -> bool:
        return self.attempt >= settings.GLMR_MAX_ATTEMPTS

    @property
    def file_name(self) -> str:
        """Of this attempt alone, in the folder of files."""
        return f"{FOLDER}/{self.export.public_id.hex}-{self.attempt}.{self.export.format}"

    @property
    def work_folder(self) -> str:
        """For everything that this attempt writes before it is complete."""
        return f"{FOLDER}/{self.export.public_id.hex}-{self.attempt}.unfinished"


@dataclass(frozen=True, slots=True)
class Built:
    """What a worker built."""

    snapshot_id: str
    snapshot_at: datetime
    n_features: int
    n_rows: int
    size_bytes: int
    sha256: str


def claim(*, worker: str) -> Claim | None:
    """Take the oldest export that waits or was abandoned. None if there is none.

    One that was abandoned too often fails, because it may be what kills the worker.
    """
    while True:
        with transaction.atomic():
            rows = Export.objects.claimable().select_for_update(skip_locked=True, of=("self",))
            export = rows.order_by("id").first()
            if export is None:
                return None
            same = Export.objects.filter(pk=export.pk)
            if export.attempts >= settings.GLMR_MAX_ATTEMPTS:
                same.update(
                    state=Export.State.FAILED,
                    error=f"The worker died while it built this, in each of {export.attempts} attempts. "
                    "Choose fewer features with a filter, or fewer candidates. The log of the worker may "
                    "say more.",
                    lease_expires_at=None,
                    finished_at=Now(),
                )
            else:
                same.update(
                    state=Export.State.RUNNING,
                    attempts=F("attempts") + 1,
                    lease_expires_at=Now() + timedelta(seconds=settings.GLMR_LEASE_S),
                    worker=worker[:120],
                    started_at=Now(),
                )
        remove_files(export)
        if export.attempts < settings.GLMR_MAX_ATTEMPTS:
            return Claim(_loaded(export.pk), export.attempts + 1)


def _loaded(pk: int) -> Export:
    rows = Export.objects.select_related(
        "requested_by",
        "job__project",
        "job__submitted_by",
        "job__model_version",
        "job__library_version__library",
        "job__reference_version__collection",
    )
    return rows.get(pk=pk)


def renew(held: Claim) -> bool:
    """Extend the lease. False if another worker has taken the export."""
    return _held(held).update(lease_expires_at=Now() + timedelta(seconds=settings.GLMR_LEASE_S)) == 1


def finish(held: Claim, built: Built) -> bool:
    """The file is complete. False, and the file goes, if another worker has taken the export by now."""
    with transaction.atomic():
        changed = _held(held).update(
            state=Export.State.READY,
            error="",
            lease_expires_at=None,
            finished_at=Now(),
            expires_at=Now() + timedelta(days=settings.GLMR_EXPORT_DAYS),
            file=held.file_name,
            snapshot_id=built.snapshot_id,
            snapshot_at=built.snapshot_at,
            n_features=built.n_features,
            n_rows=built.n_rows,
            size_bytes=built.size_bytes,
            sha256=built.sha256,
        )
        if changed:
            outbox.emit(EventKind.EXPORT_READY, [_event(held.export, built)])
    if not changed:
        remove_files_of(held)
    return changed == 1


def _event(export: Export, built: Built) -> Happened:
    data = {
        "export_id": str(export.public_id),
        "url": outbox.page_address(f"api/v1/exports/{export.public_id}"),
        "file_url": outbox.page_address(f"api/v1/exports/{export.public_id}/file"),
        "job_id": str(export.job.public_id),
        "format": export.format,
        "size_bytes": built.size_bytes,
        "sha256": built.sha256,
        "snapshot_id": built.snapshot_id,
    }
    return Happened(export.job.project_id, data)


def fail(held: Claim, reason: str) -> bool:
    """It cannot be built, and another attempt cannot help."""
    return (
        _held(held).update(
            state=Export.State.FAILED,
            error=reason.replace("\x00", "")[:4000],
            lease_expires_at=None,
            finished_at=Now(),
        )
        == 1
    )


def release(held: Claim, reason: str = "") -> bool:
    """Back to waiting: after an error that may pass, with its reason, or because the worker stops."""
    changes: dict[str, object] = {"error": reason[:4000]} if reason else {"attempts": F("attempts") - 1}
    return _held(held).update(state=Export.State.PENDING, lease_expires_at=None, **changes) == 1


def expire() -> int:
    """Delete the files whose time is over, and return their number.

    The state changes first, so that no one is offered a file that is gone. An interrupted removal is
    completed by the next call.
    """
    removed = 0
    for export in Export.objects.due().order_by("id")[:1000]:
        Export.objects.filter(pk=export.pk, state=Export.State.READY).update(state=Export.State.EXPIRED)
        remove_files(export)
        removed += Export.objects.filter(pk=export.pk, state=Export.State.EXPIRED).update(file="")
    return removed


def remove_files(export: Export) -> None:
    """The files and work folders of all attempts."""
    for path in path_of(FOLDER).glob(f"{export.public_id.hex}-*"):
        _remove(path)


def remove_files_of(held: Claim) -> None:
    """The file and the work folder of this attempt."""
    _remove(path_of(held.file_name))
    _remove(path_of(held.work_folder))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def path_of(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / name


def _held(held: Claim) -> ExportQuerySet:
    return Export.objects.filter(pk=held.export.pk, state=Export.State.RUNNING, attempts=held.attempt)
