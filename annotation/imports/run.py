"""Does one step of one import under a lease: its check, or its publication."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from annotation.imports import ledger
from annotation.imports.check import check
from annotation.imports.ledger import Claim
from annotation.imports.models import VersionImport
from annotation.integration.lease_thread import LeaseThread
from annotation.libraries.import_options import CannotImport, ImportOptions, ImportStopped
from annotation.libraries.load import import_library
from annotation.references.load import UnusableCollection, import_references
from models_ml.unreadable import UnreadableFile

log = logging.getLogger(__name__)

SHOW_EVERY_S = 1.0  # the progress on the page; renews the lease too


class _Step:
    """The progress of the step, which the lease thread stores and which stops the step."""

    def __init__(self, held: Claim, stopping: Callable[[], bool]) -> None:
        self.held = held
        self.n_done = 0
        self._stopping = stopping
        self.lease = LeaseThread(f"lease of import {held.row.pk}", self._renew, self._every_s())

    def _renew(self) -> bool:
        return ledger.renew(self.held, self.n_done)

    @staticmethod
    def _every_s() -> float:
        return min(SHOW_EVERY_S, settings.GLMR_LEASE_S / 3)

    def show(self, n_done: int) -> None:
        """Raises ImportStopped."""
        self.n_done = n_done
        if self._stopping() or self.lease.is_lost:
            raise ImportStopped


def run_next(*, stopping: Callable[[], bool] = bool) -> bool:
    """Claim the next import and do its step. False if none waits."""
    held = ledger.claim()
    if held is None:
        return False
    step = _Step(held, stopping)
    with step.lease:
        _do_or_say_why(held, step)
    return True


def _do_or_say_why(held: Claim, step: _Step) -> None:
    try:
        (_check if held.is_check else _publish)(held, step)
    except ImportStopped:
        ledger.release(held)  # changes nothing if another worker has taken it
    except (UnreadableFile, UnusableCollection, CannotImport) as refusal:
        ledger.fail(held, str(refusal))
    except (OperationalError, InterfaceError):
        connection.close()  # the lease returns the import; the next claim has a new connection
        raise
    except Exception as error:
        log.exception("Import %s failed", held.row.public_id)
        reason = f"{type(error).__name__}: {error} The log of the exporter says where."
        if held.is_last:
            ledger.fail(held, f"{reason} Attempt {held.attempt}, the last.")
        else:
            ledger.release(held, reason)


def _check(held: Claim, step: _Step) -> None:
    row = held.row
    report = check(row, ledger.file_of(row), ledger.rejected_of(row), step.show)
    ledger.checked(held, report.as_json(), step.n_done)


def _publish(held: Claim, step: _Step) -> None:
    row = held.row
    options: ImportOptions = {
        "user": row.published_by or row.requested_by,
        "project": row.project,
        "description": row.description,
        "license": row.license,
        "source": row.source,
        "file_name": row.file_name,
        "progress": step.show,
        "on_ready": lambda version: ledger.published(held, version, step.n_done),
    }
    is_library = row.kind == VersionImport.Kind.LIBRARY
    load = import_library if is_library else import_references
    version = load(row.name, ledger.file_of(row), **options)
    if version.state == version.State.FAILED:
        ledger.fail(held, version.failure)
    else:
        ledger.file_of(row).unlink(missing_ok=True)  # the version names its hash
