"""Builds one export under a lease: a snapshot of the results, written to a file, then recorded."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from annotation.exports import ledger, snapshot
from annotation.exports.contents import CannotBuild, contents_of
from annotation.exports.formats.registry import WRITERS
from annotation.exports.ledger import Built, Claim
from annotation.exports.selection import selected
from annotation.integration.lease_thread import LeaseThread
from annotation.tables.filter_form import InvalidFilter

log = logging.getLogger(__name__)

READ_BYTES = 1 << 20


class Stopped(Exception):
    """The worker has to stop, or another worker has taken the export."""


def build_next(*, worker: str, stopping: Callable[[], bool] = bool) -> bool:
    """Claim and build the next export. False if there is none."""
    held = ledger.claim(worker=worker)
    if held is None:
        return False
    with LeaseThread("export-lease", lambda: ledger.renew(held), settings.GLMR_LEASE_S / 3) as lease:

        def check() -> None:
            if stopping() or lease.is_lost:
                raise Stopped

        _build_or_say_why(held, check)
    return True


def _build_or_say_why(held: Claim, check: Callable[[], None]) -> None:
    try:
        built = build(held, check)
    except Stopped:
        ledger.release(held)
    except (CannotBuild, InvalidFilter) as refusal:
        ledger.fail(held, str(refusal))
    except (OperationalError, InterfaceError):
        connection.close()  # the lease returns the export; the next claim has a new connection
        raise
    except Exception as error:
        log.exception("Export %s failed", held.export.public_id)
        reason = f"{type(error).__name__}: {error} The log of the exporter says where."
        if held.is_last:
            ledger.fail(held, f"{reason} Attempt {held.attempt}, the last.")
        else:
            ledger.release(held, reason)
    else:
        ledger.finish(held, built)
        return
    ledger.remove_files_of(held)


def build(held: Claim, check: Callable[[], object] = int) -> Built:
    """Write the file of the export. What an interrupted build leaves, the next claim removes.

    Raises CannotBuild or InvalidFilter with a reason for people.
    """
    path, folder = ledger.path_of(held.file_name), ledger.path_of(held.work_folder)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / path.name
    with snapshot.held():
        contents = contents_of(held.export, check)
        n_rows = WRITERS[held.export.format].write(contents, unfinished)
        n_on_screen = selected(held.export.job, held.export.filter).count()
    if contents.n_features != n_on_screen:
        raise CannotBuild(
            f"The export has {contents.n_features} features and the filter selects {n_on_screen}. This is "
            "an error of the server. Report it with the ID of the export."
        )
    unfinished.replace(path)
    shutil.rmtree(folder, ignore_errors=True)
    return Built(
        snapshot_id=contents.snapshot.id,
        snapshot_at=contents.snapshot.taken_at,
        n_features=contents.n_features,
        n_rows=n_rows,
        size_bytes=path.stat().st_size,
        sha256=_sha256(path),
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
