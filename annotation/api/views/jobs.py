"""Jobs: submit, list, poll, cancel, resume, retry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken
from annotation.api import conditional, openapi, problems, submission
from annotation.api.access import caller, projects, require, sees_only_own
from annotation.api.addresses import address
from annotation.api.pagination import Pages
from annotation.api.serializers.jobs import (
    ItemFilters,
    JobFilters,
    JobResumeSerializer,
    JobRetrySerializer,
    JobSerializer,
    SubmitOptions,
    SubmittedJobSerializer,
)
from annotation.api.serializers.results import JobItemSerializer
from annotation.api.serializers.submissions import JobFileInputSerializer, JobInputSerializer
from annotation.api.serializers.uploads import ReportSerializer
from annotation.api.views.base import View, idempotent
from annotation.jobs import actions
from annotation.jobs.models import Job, JobItem, JobQuerySet
from annotation.jobs.parameters import from_json
from annotation.jobs.progress import Progress, progress, with_progress
from annotation.spectra.models import Upload

# Each scope can be used alone: a machine that submits polls its jobs, and one that reviews finds annotations.
JOB_SCOPES = frozenset({ApiToken.Scope.READ, ApiToken.Scope.SUBMIT, ApiToken.Scope.REVIEW})
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
    "feature",
    "spectrum__external_id",
    "spectrum__title",
)


def visible_jobs(request: Request) -> JobQuerySet:
    """A token that may only submit sees what its owner submitted."""
    jobs = Job.objects.in_projects(projects(request))
    if sees_only_own(request):
        jobs = jobs.filter(submitted_by=caller(request))
    return jobs.select_related(
        "project",
        "submitted_by",
        "model_version",
        "library_version__library",
        "reference_version__collection",
        "repeats",
    )


def job_or_404(request: Request, job_id: UUID) -> Job:
    return get_object_or_404(visible_jobs(request), public_id=job_id)


def job_json(request: Request, job: Job, known: Progress) -> dict[str, Any]:
    """One job with its progress."""
    context = {"request": request, "progress": {job.pk: known}}
    return dict(JobSerializer(job, context=context).data)


def poll_after_s(known: Progress) -> int:
    """Seconds until a client should poll again: few for short jobs, at most a minute for long ones."""
    return max(2, min(60, (known.pending + known.running) // 20))


class JobsView(View):
    read_scopes = JOB_SCOPES

    @extend_schema(
        operation_id="list_jobs",
        parameters=[JobFilters, *openapi.PAGE],
        responses={200: openapi.page_of(JobSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the jobs of your projects, newest first; with `updated_since`, oldest change first."""
        filters = JobFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        values = filters.validated_data
        jobs = visible_jobs(request)
        if "external_id" in values:
            jobs = jobs.filter(external_id=values["external_id"])
        if "sample_id" in values:
            jobs = jobs.of_sample(values["sample_id"])
        if "state" in values:
            jobs = jobs.in_state(values["state"])
        pages = Pages(("-id",))
        if "updated_since" in values:
            jobs, pages = jobs.filter(updated_at__gte=values["updated_since"]), Pages(("updated_at", "id"))
        rows = pages.rows(jobs, request)
        context = {"request": request, "progress": {job.pk: known for job, known in with_progress(rows)}}
        return pages.answer(JobSerializer(rows, many=True, context=context).data)

    @extend_schema(
        operation_id="submit_job",
        parameters=[
            openapi.idempotency_key(required=True),
            SubmitOptions,
        ],
        request={"application/json": JobInputSerializer, "multipart/form-data": JobFileInputSerializer},
        responses={
            200: ReportSerializer,
            202: openapi.accepted(SubmittedJobSerializer),
            **openapi.SUBMIT_PROBLEMS,
        },
    )
    def post(self, request: Request) -> Response:
        """Submit spectra for annotation, in a file or as JSON.

        Spectra that cannot be used are reported; the job runs with the others.
        """
        options = SubmitOptions(data=request.query_params)
        options.is_valid(raise_exception=True)
        if options.validated_data["dry_run"]:
            return Response(submission.dry_run(request))
        return self._submit(request)

    @idempotent(required=True)
    def _submit(self, request: Request) -> Response:
        try:
            return accepted(request, *submission.submit(request))
        except submission.NothingUsable as refusal:
            return problems.answer(refusal, request)


def accepted(request: Request, job: Job, upload: Upload) -> Response:
    """The 202 answer to a submission."""
    known = progress(job)
    context = {
        "request": request,
        "progress": {job.pk: known},
        "upload": upload,
        "report": submission.report_of(upload, from_json(job.params)),
    }
    headers = {
        "Location": address(request, "api:job", job.public_id),
        "Retry-After": str(poll_after_s(known)),
    }
    return Response(SubmittedJobSerializer(job, context=context).data, status=202, headers=headers)


class JobView(View):
    read_scopes = JOB_SCOPES

    @extend_schema(
        operation_id="get_job",
        parameters=[openapi.FIELDS, openapi.TAG],
        responses={200: JobSerializer, 304: None, **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """Show a job and its progress. While it is open, Retry-After states when to poll again."""
        job = job_or_404(request, job_id)
        tag = conditional.tag_of_job(job)
        # While a job is open, its place in the queue and its time left change without it.
        if job.finished_at is not None and conditional.is_unchanged(request, tag):
            return Response(status=304, headers={"ETag": tag})
        known = progress(job)
        headers = {"ETag": tag}
        if not known.is_final:
            headers["Retry-After"] = str(poll_after_s(known))
        return Response(job_json(request, job, known), headers=headers)


class CancelView(View):
    @extend_schema(
        operation_id="cancel_job",
        parameters=[openapi.idempotency_key(required=False), openapi.IF_UNCHANGED],
        request=None,
        responses={200: JobSerializer, **openapi.WRITE_PROBLEMS},
    )
    @idempotent(required=False)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Cancel a job.

        Pending features end now. A worker finishes what it has begun. Results stay. The job can be resumed.
        """
        job = job_or_404(request, job_id)
        require(request, job.project, ApiToken.Scope.SUBMIT)
        conditional.check_unchanged(request, conditional.tag_of_job(job))
        actions.cancel(job, caller(request))
        job = job_or_404(request, job_id)
        return Response(job_json(request, job, progress(job)))


class ResumeView(View):
    @extend_schema(
        operation_id="resume_job",
        parameters=[openapi.idempotency_key(required=False), openapi.IF_UNCHANGED],
        request=None,
        responses={200: JobResumeSerializer, **openapi.WRITE_PROBLEMS},
    )
    @idempotent(required=False)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Process the cancelled features of a job after all."""
        job = job_or_404(request, job_id)
        require(request, job.project, ApiToken.Scope.SUBMIT)
        conditional.check_unchanged(request, conditional.tag_of_job(job))
        n_resumed = actions.resume(job, caller(request))
        job = job_or_404(request, job_id)
        return Response({"n_resumed": n_resumed, "job": job_json(request, job, progress(job))})


class RetryView(View):
    @extend_schema(
        operation_id="retry_job",
        parameters=[openapi.idempotency_key(required=False), openapi.IF_UNCHANGED],
        request=None,
        responses={200: JobRetrySerializer, **openapi.WRITE_PROBLEMS},
    )
    @idempotent(required=False)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Process the failed features of a job again."""
        job = job_or_404(request, job_id)
        require(request, job.project, ApiToken.Scope.SUBMIT)
        conditional.check_unchanged(request, conditional.tag_of_job(job))
        n_retried = actions.retry_failed(job, caller(request))
        job = job_or_404(request, job_id)
        return Response({"n_retried": n_retried, "job": job_json(request, job, progress(job))})


class ItemsView(View):
    read_scopes = JOB_SCOPES

    @extend_schema(
        operation_id="list_job_items",
        parameters=[ItemFilters, *openapi.PAGE],
        responses={200: openapi.page_of(JobItemSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """List the features of a job in the order of submission, with state, attempts and errors."""
        filters = ItemFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        items = JobItem.objects.filter(job=job_or_404(request, job_id), **filters.validated_data)
        # The peaks stay in the database: a page of long spectra would be megabytes.
        items = items.select_related("spectrum", "feature").only(*ITEM_COLUMNS)
        pages = Pages(("position",))
        return pages.answer(JobItemSerializer(pages.rows(items, request), many=True).data)
