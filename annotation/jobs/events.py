"""The events of jobs for webhooks. The ledger calls these in the transaction of the change."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db.models import Count

from annotation.jobs.models import Job, JobItem
from annotation.webhooks import outbox
from annotation.webhooks.models import EventKind
from annotation.webhooks.outbox import Happened


def jobs_finished(job_ids: Collection[int]) -> None:
    """These jobs have just got their last outcome. One query without webhooks, else five more."""
    outbox.emit(EventKind.JOB_FINISHED, _finished(job_ids))


def features_failed(item_ids: Collection[int]) -> None:
    """These items have just failed, and no attempt is left. One query without webhooks, else four more."""
    if item_ids:
        outbox.emit(EventKind.FEATURE_FAILED, _failed(item_ids))


def _finished(job_ids: Collection[int]) -> Iterator[Happened]:
    rows = JobItem.objects.filter(job__in=job_ids).values_list("job_id", "state").annotate(n=Count("pk"))
    counts = {(job_id, state): n for job_id, state, n in rows.order_by()}
    for job in Job.objects.filter(pk__in=job_ids).order_by("pk"):
        data = {
            **_job(job),
            "name": job.name,
            "state": job.state.value,
            "features": {state.value: counts.get((job.pk, state.value), 0) for state in _ENDS},
            "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        }
        yield Happened(job.project_id, data)


_ENDS = (
    JobItem.State.DONE,
    JobItem.State.NO_MATCH,
    JobItem.State.UNUSABLE,
    JobItem.State.FAILED,
    JobItem.State.CANCELLED,
)


def _failed(item_ids: Collection[int]) -> Iterator[Happened]:
    columns = ("position", "error_code", "error", "job", "feature__number", "spectrum__external_id")
    items = JobItem.objects.filter(pk__in=item_ids).select_related("job", "feature", "spectrum")
    # Without the peaks and the parameters, which may be long.
    job_columns = ("job__public_id", "job__external_id", "job__project_id")
    for item in items.only(*columns, *job_columns).order_by("pk"):
        data = {
            **_job(item.job),
            "position": item.position,
            "feature": item.feature.number,
            "external_id": item.spectrum.external_id,
            "error_code": item.error_code,
            "error": item.error,
        }
        yield Happened(item.job.project_id, data)


def _job(job: Job) -> dict[str, object]:
    return {
        "job_id": str(job.public_id),
        "job_external_id": job.external_id,
        "url": outbox.page_address(f"api/v1/jobs/{job.public_id}"),
    }
