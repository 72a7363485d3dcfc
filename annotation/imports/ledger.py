"""The state changes of imports: claim, renew, checked, published, fail, release. No other module changes one.

A claim sets a lease. A worker that dies lets it expire, and the next claim repeats the step from its
beginning. Only the latest claim may finish it, so a worker that was given up changes nothing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from annotation.imports.models import VersionImport, VersionImportQuerySet
from annotation.libraries.import_options import ImportStopped
from annotation.libraries.models import LibraryVersion
from annotation.plain_text import LONGEST_TEXT, clean
from annotation.references.models import ReferenceVersion

FOLDER = "imports"
State = VersionImport.State
# From the state in which a step waits, or was abandoned, to the state in which it runs.
_NEXT = {
    State.WAITING: State.CHECKING,
    State.CHECKING: State.CHECKING,
    State.QUEUED: State.PUBLISHING,
    State.PUBLISHING: State.PUBLISHING,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """Proof that a worker holds an import, and what it has to do."""

    row: VersionImport
    attempt: int

    @property
    def is_check(self) -> bool:
        return self.row.state == State.CHECKING

    @property
    def is_last(self) -> bool:
        return self.attempt >= settings.GLMR_MAX_ATTEMPTS


def claim() -> Claim | None:
    """Take the oldest import that waits or was abandoned. None if there is none.

    One that was abandoned too often fails, because it may be what kills the worker.
    """
    while True:
        try:
            with transaction.atomic():
                rows = VersionImport.objects.claimable().select_for_update(skip_locked=True, of=("self",))
                row = rows.order_by("id").first()
                if row is None:
                    return None
                same = VersionImport.objects.filter(pk=row.pk)
                if row.attempts >= settings.GLMR_MAX_ATTEMPTS:
                    same.update(**_failed(f"The worker died in each of {row.attempts} attempts. {_DIED}"))
                    continue
                same.update(
                    state=_NEXT[State(row.state)],
                    attempts=F("attempts") + 1,
                    n_done=0,
                    lease_expires_at=_lease_end(),
                )
        except IntegrityError:
            return None  # another worker began with the same library at this moment
        loaded = VersionImport.objects.select_related("project", "requested_by", "published_by")
        return Claim(loaded.get(pk=row.pk), row.attempts + 1)


_DIED = "Split the file, or look for the cause in the log of the exporter."


def renew(held: Claim, n_done: int) -> bool:
    """Extend the lease and show the progress. False if another worker has taken the import."""
    return _held(held).update(lease_expires_at=_lease_end(), n_done=n_done) == 1


def checked(held: Claim, report: dict[str, Any], n_done: int) -> bool:
    """The check is complete. An import with `publish_at_once` waits for its publication now."""
    next_state = State.QUEUED if held.row.publish_at_once else State.CHECKED
    return _finish(
        held,
        state=next_state,
        report=report,
        n_done=n_done,
        attempts=0,
        error="",
        checked_at=Now(),
        expires_at=_kept_until(),
    )


def published(held: Claim, version: LibraryVersion | ReferenceVersion, n_done: int) -> None:
    """The version is ready. Needs the transaction that makes it ready. Raises ImportStopped."""
    is_library = isinstance(version, LibraryVersion)
    done = _finish(
        held,
        state=State.PUBLISHED,
        n_done=n_done,
        error="",
        finished_at=Now(),
        expires_at=_kept_until(),
        **{"library_version" if is_library else "reference_version": version},
    )
    if not done:
        raise ImportStopped  # another worker has taken the import


def fail(held: Claim, reason: str) -> bool:
    """It cannot be done, and another attempt cannot help."""
    return _finish(held, **_failed(reason))


def release(held: Claim, reason: str = "") -> bool:
    """Back to waiting: after an error that may pass, with its reason, or because the worker stops."""
    changes: dict[str, Any] = (
        {"error": clean(reason, LONGEST_TEXT)} if reason else {"attempts": F("attempts") - 1}
    )
    return _finish(held, state=State.WAITING if held.is_check else State.QUEUED, **changes)


def queue(row: VersionImport, user: User) -> bool:
    """Publish a checked import. False if it is in another state by now."""
    same = VersionImport.objects.filter(pk=row.pk, state=State.CHECKED)
    return same.update(state=State.QUEUED, published_by=user, attempts=0, n_done=0, waits_since=Now()) == 1


def discard(row: VersionImport) -> bool:
    """Give up an import and delete its files. False if it is published or was discarded already.

    A worker that holds it loses its lease, notices that within a second, and undoes what it has stored.
    """
    same = VersionImport.objects.filter(pk=row.pk).exclude(state__in=(State.PUBLISHED, State.DISCARDED))
    changed = same.update(state=State.DISCARDED, lease_expires_at=None, finished_at=Now(), expires_at=Now())
    expire()
    return changed == 1


def expire() -> int:
    """Delete the files whose time is over, and return the number of imports.

    The state changes first. An interrupted removal is completed by the next call.
    """
    n = 0
    for row in VersionImport.objects.due().order_by("id")[:1000]:
        over = VersionImport.objects.filter(pk=row.pk, state=State.CHECKED)
        over.update(state=State.DISCARDED, error="Nobody published it in time.", finished_at=Now())
        shutil.rmtree(folder_of(row), ignore_errors=True)
        n += VersionImport.objects.filter(pk=row.pk).update(has_files=False)
    return n


def folder_of(row: VersionImport) -> Path:
    """Holds the files of one import."""
    return Path(settings.MEDIA_ROOT) / FOLDER / row.public_id.hex


def file_of(row: VersionImport) -> Path:
    return folder_of(row) / "file"


def rejected_of(row: VersionImport) -> Path:
    """All rows or spectra that the check rejected, as CSV."""
    return folder_of(row) / "rejected.csv"


def _failed(reason: str) -> dict[str, Any]:
    return {
        "state": State.FAILED,
        "error": clean(reason, LONGEST_TEXT),
        "lease_expires_at": None,
        "finished_at": Now(),
        "expires_at": _kept_until(),
    }


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.GLMR_LEASE_S)


def _kept_until() -> Any:
    return Now() + VersionImport.KEPT_FOR


def _held(held: Claim) -> VersionImportQuerySet:
    return VersionImport.objects.filter(pk=held.row.pk, state=held.row.state, attempts=held.attempt)


def _finish(held: Claim, **changes: Any) -> bool:
    return _held(held).update(**({"lease_expires_at": None} | changes)) == 1
