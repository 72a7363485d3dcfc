"""The exporter is killed while it builds an export: the next one builds it, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction

from annotation.exports import ledger
from annotation.exports.actions import request_export
from annotation.models import Export
from tests.annotation.builders import make_annotation, make_job
from tests.worker.processes import wait_until

if TYPE_CHECKING:
    from tests.worker.conftest import Start

pytestmark = pytest.mark.timeout(900)


def state_of(export: Export) -> str:
    export.refresh_from_db()
    return export.state


def test_sigkill_during_an_export(start: Start) -> None:
    job = make_job(3)
    make_annotation(job.items.get(position=0))
    export = request_export(job=job, user=job.submitted_by, format="csv")
    start("beat")
    with transaction.atomic(), connection.cursor() as cursor:
        # The exporter waits for this table, so it dies in the middle of the work.
        cursor.execute("LOCK TABLE annotation_candidate IN ACCESS EXCLUSIVE MODE")
        exporter = start("exporter")
        wait_until(lambda: state_of(export) == "running", "the start of the export")
        exporter.kill()
    assert state_of(export) == "running"

    start("exporter")
    wait_until(lambda: state_of(export) == "ready", "the export")
    assert (export.attempts, export.n_features) == (2, 3)
    files = list(ledger.path_of(ledger.FOLDER).glob(f"{export.public_id.hex}*"))
    assert files == [ledger.path_of(export.file)]
