"""One state of the database for a whole export, and an ID that names what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Count, Max

from annotation.jobs.models import Job
from annotation.review.models import Verdict


@dataclass(frozen=True, slots=True)
class Snapshot:
    id: str  # equal for equal results of a job, whatever the filter and the format
    taken_at: datetime


@contextmanager
def held() -> Iterator[None]:
    """All queries inside see the database as it was at the first of them. Nothing can be written."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def snapshot_of(job: Job) -> Snapshot:
    """What the job holds now. Four queries.

    Annotations and verdicts are only ever added, so their number and latest ones name what there is.
    """
    states = job.items.order_by("state").values_list("state").annotate(n=Count("pk"))
    facts = {
        "job": job.public_id.hex,
        "states": [list(row) for row in states],
        "annotations": list(job.annotations.aggregate(n=Count("pk"), latest=Max("pk")).values()),
        "verdicts": list(
            Verdict.objects.filter(annotation__job=job).aggregate(n=Count("pk"), latest=Max("pk")).values()
        ),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (taken_at,) = cursor.fetchone()
    return Snapshot(digest[:16], taken_at)
