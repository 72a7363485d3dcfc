"""Distinguish a running import from one whose process died: the lock ends with the database session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# First half of the key of the advisory lock, an arbitrary fixed number. The second half is the version's id.
_LOCK_CLASS = 0x494D504F


@contextmanager
def held(version_id: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [_LOCK_CLASS, version_id])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_CLASS, version_id])


def is_held(version_id: int) -> bool:
    """Whether any session holds the lock. Needs a transaction, whose end releases the trial lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, version_id])
        return not cursor.fetchone()[0]
