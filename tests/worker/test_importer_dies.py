"""The exporter is killed while it publishes a library: the next one publishes it, once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction

from annotation.imports.actions import publish
from annotation.models import LibraryEntry, LibraryVersion, VersionImport
from tests.annotation.imports.building import requested
from tests.worker.processes import wait_until

if TYPE_CHECKING:
    from tests.worker.conftest import Start

pytestmark = pytest.mark.timeout(900)


def state_of(row: VersionImport) -> str:
    row.refresh_from_db()
    return row.state


def publish_in_own_session(row: VersionImport) -> None:
    """The transaction of the test does not commit before the process dies."""
    try:
        publish(row, row.requested_by)
    finally:
        connection.close()


def test_sigkill_during_a_publication(start: Start) -> None:
    row = requested()
    exporter = start("exporter")
    wait_until(lambda: state_of(row) == "checked", "the check")
    publish_soon = threading.Thread(target=publish_in_own_session, args=[row])
    with transaction.atomic(), connection.cursor() as cursor:
        # The import waits for this table, so the process dies in the middle of the work.
        cursor.execute("LOCK TABLE annotation_libraryentry IN ACCESS EXCLUSIVE MODE")
        publish_soon.start()
        publish_soon.join()
        wait_until(lambda: state_of(row) == "publishing", "the start of the publication")
        exporter.kill()
    assert state_of(row) == "publishing"
    assert not LibraryVersion.objects.ready().exists()

    start("exporter")
    wait_until(lambda: state_of(row) == "published", "the publication")
    assert row.attempts >= 2
    version = LibraryVersion.objects.ready().get()
    assert (version, version.n_molecules) == (row.library_version, 3)
    assert set(LibraryEntry.objects.values_list("version", flat=True)) == {version.pk}
