"""The feed of changes, in an order in which no reader can pass a change.

Triggers write a row of `Change` in the transaction of the change itself. The order of these rows is not the
order of their commits: a slow transaction commits a low id after a reader has seen higher ones. So readers
never use the id. Whoever reads the feed first numbers the rows that have been committed since, one caller at
a time, and each caller commits before the next one begins. A row that is committed later gets a later number.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils import timezone

from annotation.accounts.visibility import Projects
from annotation.integration.locks import lock_until_commit
from annotation.integration.models import Change

_NUMBER = """
UPDATE annotation_change
SET sequence = latest.sequence + waiting.place
FROM (
    SELECT id, row_number() OVER (ORDER BY id) AS place
    FROM (SELECT id FROM annotation_change WHERE sequence IS NULL ORDER BY id LIMIT 20000) AS committed
) AS waiting, (SELECT coalesce(max(sequence), 0) AS sequence FROM annotation_change) AS latest
WHERE annotation_change.id = waiting.id
"""


class Forgotten(Exception):
    """Changes after this sequence were deleted (GLMR_CHANGE_DAYS), or an older database was restored."""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes in the order of the feed. The next page begins after `last`."""

    changes: tuple[Change, ...]
    last: int
    has_more: bool


def latest_sequence() -> int:
    """The sequence of the newest change. Whoever reads after it misses nothing that is committed later."""
    _number_committed()
    return _bounds()[1]


def read_changes(
    projects: Projects, after: int | None, limit: int, kinds: Collection[str] = ()
) -> ChangePage:
    """The changes of the projects after a sequence, or from the oldest that is kept. Raises `Forgotten`.

    Three queries, and three more if there are new changes to number.
    """
    _number_committed()
    oldest, newest = _bounds()
    if after is not None and not oldest - 1 <= after <= newest:
        raise Forgotten
    rows = Change.objects.in_projects(projects).filter(sequence__gt=after or 0, sequence__lte=newest)
    if kinds:
        rows = rows.filter(kind__in=kinds)
    found = list(rows.select_related("project").order_by("sequence")[: limit + 1])
    has_more = len(found) > limit
    page = tuple(found[:limit])
    # Without more, everything up to the newest was looked at, also the changes of other projects.
    last = page[-1].sequence if has_more else newest
    assert last is not None  # only numbered rows are read
    return ChangePage(page, last, has_more)


def _number_committed() -> None:
    if not Change.objects.filter(sequence=None).exists():
        return
    # Each statement sees what was committed before it began, so the update must come after the lock.
    with transaction.atomic(), connection.cursor() as cursor:
        lock_until_commit("feed of changes")
        cursor.execute(_NUMBER)
        _forget_old()


def _forget_old() -> None:
    """Delete changes that no client needs any more. The newest stays: the next number follows from it."""
    oldest_kept = timezone.now() - datetime.timedelta(days=settings.GLMR_CHANGE_DAYS)
    newest = Change.objects.aggregate(newest=Max("sequence"))["newest"] or 0
    Change.objects.filter(at__lt=oldest_kept, sequence__lt=newest).delete()


def _bounds() -> tuple[int, int]:
    """The lowest and the highest sequence; 1 and 0 without changes."""
    found = Change.objects.aggregate(oldest=Min("sequence"), newest=Max("sequence"))
    return (found["oldest"] or 1, found["newest"] or 0)
