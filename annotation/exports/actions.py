"""What callers do with exports: request one."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from annotation.exports.models import Export
from annotation.exports.selection import check_filter
from annotation.jobs.models import Job
from annotation.tables.filter_form import InvalidFilter
from glmr_server import celery

# More would only make everybody wait.
MAX_OPEN_PER_PROJECT = 20
LARGEST_TOP = 100


class CannotExport(Exception):
    """The export was not requested. `field` names the part of the request, `reason` says how to fix it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def request_export(*, job: Job, user: User, format: str, filter_query: str = "", top: int = 1) -> Export:
    """Record the export and tell the exporter after the commit. Raises CannotExport."""
    if format not in Export.Format.values:
        known = ", ".join(Export.Format.values)
        raise CannotExport("format", f"{format[:40]!r} is not a format of exports. Choose one of: {known}.")
    if not 1 <= top <= LARGEST_TOP:
        raise CannotExport("top", f"Choose 1 to {LARGEST_TOP} candidates for each feature instead of {top}.")
    try:
        check_filter(filter_query)
    except InvalidFilter as refusal:
        raise CannotExport("filter", str(refusal)) from None
    n_open = Export.objects.in_projects(job.project).unfinished().count()
    if n_open >= MAX_OPEN_PER_PROJECT:
        raise CannotExport(
            "format", f"{n_open} exports of project {job.project} wait already. Wait until they are built."
        )
    with transaction.atomic():
        export = Export.objects.create(
            job=job, requested_by=user, format=format, filter=filter_query, top=top
        )
        transaction.on_commit(celery.ring_exports)
    return export
