"""Jobs: submit, list, watch, cancel, retry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken
from annotation.api import openapi, problems, submission
from annotation.api.access import caller, projects, require
from annotation.api.pagination import Pages
from annotation.api.serializers.jobs import (
    ItemFilters,
    JobAccepted,
    JobFilters,
    JobFromFile,
    JobFromSpectra,
    JobShape,
    Retried,
)
from annotation.api.serializers.results import ItemShape, address
from annotation.api.serializers.uploads import Report
from annotation.api.views.base import View, idempotent
from annotation.jobs import actions
from annotation.jobs.models import Job, JobItem
from annotation.jobs.progress import Progress, progress, with_progress

STATES: dict[str, dict[str, Any]] = {
    Job.State.QUEUED: {"finished_at": None, "started_at": None},
    Job.State.RUNNING: {"finished_at": None, "started_at__isnull": False},
    Job.State.DONE: {"finished_at__isnull": False, "cancel_requested_at": None},
    Job.State.CANCELLED: {"finished_at__isnull": False, "cancel_requested_at__isnull": False},
}


def visible_jobs(request: Request) -> QuerySet[Job]:
    return Job.objects.filter(project__in=projects(request)).select_related(
        "project",
        "submitted_by",
        "model_version",
        "library_version__library",
        "reference_version__collection",
    )


def job_or_404(request: Request, job_id: UUID) -> Job:
    return get_object_or_404(visible_jobs(request), public_id=job_id)


def shown(
    request: Request, job: Job, known_progress: Progress, shape: type[JobShape] = JobShape
) -> dict[str, Any]:
    job.known_progress = known_progress  # type: ignore[attr-defined]  # what JobShape reads
    return dict(shape(job, context={"request": request}).data)


def poll_again_s(known: Progress) -> int:
    """When a client had better ask again: soon for short jobs, at most once a minute for long ones."""
    return max(2, min(60, (known.pending + known.running) // 20))


class JobsView(View):
    @extend_schema(
        operation_id="list_jobs",
        parameters=[JobFilters, *openapi.PAGE],
        responses={200: openapi.page_of(JobShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """The jobs of your projects, newest first; with `updated_since` the oldest change first."""
        filters = JobFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        wanted = filters.validated_data
        jobs = visible_jobs(request)
        if "external_id" in wanted:
            jobs = jobs.filter(external_id=wanted["external_id"])
        if "state" in wanted:
            jobs = jobs.filter(**STATES[wanted["state"]])
        pages = Pages(("-id",))
        if "updated_since" in wanted:
            jobs, pages = jobs.filter(updated_at__gte=wanted["updated_since"]), Pages(("updated_at", "id"))
        rows = with_progress(pages.paginate_queryset(jobs, request, view=self) or [])
        return pages.answer([shown(request, job, known) for job, known in rows])

    @extend_schema(
        operation_id="submit_job",
        parameters=[
            openapi.idempotency_key(required=True),
            OpenApiParameter("dry_run", OpenApiTypes.BOOL, description="Only report; store nothing."),
        ],
        request={"application/json": JobFromSpectra, "multipart/form-data": JobFromFile},
        responses={200: Report, 202: openapi.accepted(JobAccepted), **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Submit spectra for annotation, in a file or as JSON. One bad spectrum never sinks the others."""
        if request.query_params.get("dry_run", "").lower() in ("1", "true", "yes"):
            return Response(submission.dry_run(request))
        return self._submit(request)

    @idempotent(required=True)
    def _submit(self, request: Request) -> Response:
        try:
            job, upload = submission.submit(request)
        except submission.NothingUsable as refusal:
            return problems.answer(refusal, request)
        known = progress(job)
        job.upload = address(request, "api:upload", upload.pk)  # type: ignore[attr-defined]
        job.report = submission.report_of(upload)  # type: ignore[attr-defined]
        headers = {
            "Location": address(request, "api:job", job.public_id),
            "Retry-After": str(poll_again_s(known)),
        }
        return Response(shown(request, job, known, JobAccepted), status=202, headers=headers)


class JobView(View):
    @extend_schema(operation_id="get_job", responses={200: JobShape, **openapi.PROBLEMS})
    def get(self, request: Request, job_id: UUID) -> Response:
        """How a job stands. While it is open, Retry-After says when to ask again."""
        job = job_or_404(request, job_id)
        known = progress(job)
        headers = {} if known.is_final else {"Retry-After": str(poll_again_s(known))}
        return Response(shown(request, job, known), headers=headers)


class CancelView(View):
    @extend_schema(
        operation_id="cancel_job",
        parameters=[openapi.idempotency_key(required=False)],
        request=None,
        responses={200: JobShape, **openapi.WRITE_PROBLEMS},
    )
    @idempotent(required=False)
    def post(self, request: Request, job_id: UUID) -> Response:
        """End what is pending now, and what runs at the worker's next mini-batch. Results so far stay."""
        job = job_or_404(request, job_id)
        require(request, job.project, ApiToken.Scope.SUBMIT)
        actions.cancel(job, caller(request))
        job = job_or_404(request, job_id)
        return Response(shown(request, job, progress(job)))


class RetryView(View):
    @extend_schema(
        operation_id="retry_job",
        parameters=[openapi.idempotency_key(required=False)],
        request=None,
        responses={200: Retried, **openapi.WRITE_PROBLEMS},
    )
    @idempotent(required=False)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Try the failed spectra of the job again."""
        job = job_or_404(request, job_id)
        require(request, job.project, ApiToken.Scope.SUBMIT)
        n_retried = actions.retry_failed(job, caller(request))
        job = job_or_404(request, job_id)
        return Response({"n_retried": n_retried, "job": shown(request, job, progress(job))})


class ItemsView(View):
    @extend_schema(
        operation_id="list_job_items",
        parameters=[ItemFilters, *openapi.PAGE],
        responses={200: openapi.page_of(ItemShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """The job's spectra in the order of submission: state, attempts, and why one failed."""
        filters = ItemFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        items = JobItem.objects.filter(job=job_or_404(request, job_id), **filters.validated_data)
        # The peaks stay in the database: a page of long spectra would be megabytes.
        items = items.select_related("spectrum").only(*ITEM_COLUMNS)
        pages = Pages(("position",))
        rows = pages.paginate_queryset(items, request, view=self) or []
        return pages.answer(ItemShape(rows, many=True).data)


ITEM_COLUMNS = (
    "job_id",
    "position",
    "state",
    "attempts",
    "error_code",
    "error",
    "worker",
    "started_at",
    "finished_at",
    "spectrum__external_id",
    "spectrum__title",
)
