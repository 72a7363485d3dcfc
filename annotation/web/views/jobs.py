"""The page of a job: progress, spectra, CSV download, cancel, resume and retry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from annotation.accounts.models import Role
from annotation.exports.table import csv_download
from annotation.jobs import actions, notices
from annotation.jobs.models import Job
from annotation.jobs.progress import progress
from annotation.spectra.models import Upload
from annotation.tables.filter_form import InvalidFilter, read_filter
from annotation.web import scope
from annotation.web.demonstration import is_demonstration, right_answers
from annotation.web.job_stream import ASK_AGAIN_LATER, streams
from annotation.web.scope import SignedInRequest
from annotation.web.spectra_table import spectra_table
from annotation.web.table_columns import COOKIE, COOKIE_AGE_S, DENSITIES, make_layout, read_layout
from annotation.web.views.exports import exports_context


@login_required
def detail(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    job = scope.job_or_404(request.user, public_id)
    table = _table(request, job)
    current = progress(job)
    shows_demonstration = is_demonstration(job)
    context = {
        "job": job,
        "progress": current,
        "densities": DENSITIES,
        "uploads": Upload.objects.of_job(job.pk).order_by("pk")[:20],
        "may_submit": scope.holds(request.user, job.project_id, Role.SUBMITTER),
        "may_review": scope.holds(request.user, job.project_id, Role.CURATOR),
        "is_demonstration": shows_demonstration,
        "right_answers": right_answers(job) if shows_demonstration and current.is_final else None,
        "sends_mail": settings.SENDS_MAIL,
        "wants_mail": settings.SENDS_MAIL and notices.is_wanted(job, request.user),
    }
    context |= exports_context(job, request.GET)
    return render(request, "annotation/job.html", context | table)


@login_required
def job_progress(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The progress only, for polling. The page reloads once the job is final, which ends the polling.

    `finished` in the query is the number that the page shows. Another number makes the table load again.
    """
    job = scope.job_or_404(request.user, public_id)
    current = progress(job)
    may_submit = scope.holds(request.user, job.project_id, Role.SUBMITTER)
    context = {"job": job, "progress": current, "may_submit": may_submit}
    response = render(request, "annotation/_progress.html", context)
    if current.is_final:
        response.headers["HX-Refresh"] = "true"
    elif request.GET.get("finished") != str(current.finished):
        response.headers["HX-Trigger"] = "results-landed"
    return response


@login_required
async def job_events(request: SignedInRequest, public_id: UUID) -> StreamingHttpResponse:
    """Server-sent events: the job changed. Only an ASGI server can send them; else the page polls."""
    user = await request.auser()
    assert isinstance(user, User)
    if not isinstance(request, ASGIRequest):
        await sync_to_async(scope.job_or_404)(user, public_id)
        return _event_stream(iter([ASK_AGAIN_LATER]))
    job_id = await sync_to_async(_job_of_stream)(user, public_id)
    return _event_stream(streams.events(job_id, user.pk))


def _event_stream(body: Iterator[str] | AsyncIterator[str]) -> StreamingHttpResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # a proxy must not collect the events
    return StreamingHttpResponse(body, content_type="text/event-stream", headers=headers)


def _job_of_stream(user: User, public_id: UUID) -> int:
    try:
        return scope.job_or_404(user, public_id).pk
    finally:
        connection.close()  # the thread of the request lives as long as the stream


@login_required
def spectra(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The table only. The page loads it again when results land."""
    job = scope.job_or_404(request.user, public_id)
    context = {"job": job, "progress": progress(job)}
    return render(request, "annotation/_spectra.html", context | _table(request, job))


def _table(request: SignedInRequest, job: Job) -> dict[str, object]:
    table = spectra_table(job, request.GET)
    return {
        "table": table,
        "sort": table.sort,
        "list_query": table.chosen.query,
        "layout": read_layout(request.COOKIES),
    }


@login_required
@require_POST
def table_layout(request: SignedInRequest) -> HttpResponse:
    """Keep the person's columns and rows in a cookie, and go back to the table."""
    layout = make_layout(request.POST.getlist("column"), request.POST.get("density", ""))
    target = request.POST.get("next", "")
    is_own = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    response = redirect(target if is_own else "home")
    response.set_cookie(
        COOKIE, layout.cookie, COOKIE_AGE_S, httponly=True, samesite="Lax", secure=request.is_secure()
    )
    return response


@login_required
def confirm_cancel(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Says what a cancel ends and what it keeps. Nothing changes before the person confirms."""
    job = scope.job_or_404(request.user, public_id)
    scope.require(request.user, job.project_id, Role.SUBMITTER)
    current = progress(job)
    if current.is_final or job.cancel_requested_at:
        messages.info(request, "There is nothing to cancel: the job has ended or is being cancelled.")
        return redirect("job-detail", public_id)
    return render(request, "annotation/cancel_job.html", {"job": job, "progress": current})


@login_required
@require_POST
def cancel(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    job = scope.job_or_404(request.user, public_id)
    scope.require(request.user, job.project_id, Role.SUBMITTER)
    actions.cancel(job, request.user)
    text = "Job cancelled. Finished results stay, and so does what a worker is computing now."
    messages.info(request, text)
    return redirect("job-detail", public_id)


@login_required
@require_POST
def resume(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    job = scope.job_or_404(request.user, public_id)
    scope.require(request.user, job.project_id, Role.SUBMITTER)
    n_resumed = actions.resume(job, request.user)
    noun = "feature waits" if n_resumed == 1 else "features wait"
    text = f"{n_resumed} {noun} for a worker again." if n_resumed else "The job has no cancelled features."
    messages.info(request, text)
    return redirect("job-detail", public_id)


@login_required
@require_POST
def notice(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Ask for a mail at the end of the job, or stop it. Everyone who sees the job may."""
    job = scope.job_or_404(request.user, public_id)
    if not request.user.email:
        text = "Your account has no mail address. Ask an administrator of the server to add it."
        messages.error(request, text)
    elif request.POST.get("wanted") == "yes":
        notices.ask(job, request.user)
        text = f"A mail to {request.user.email} tells you when this job ends, and later jobs that you submit."
        messages.info(request, text)
    else:
        notices.withdraw(job, request.user)
        messages.info(request, "No mail is sent when this job ends.")
    return redirect("job-detail", public_id)


@login_required
@require_POST
def retry(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    job = scope.job_or_404(request.user, public_id)
    scope.require(request.user, job.project_id, Role.SUBMITTER)
    n_retried = actions.retry_failed(job, request.user)
    noun = "feature waits" if n_retried == 1 else "features wait"
    text = (
        f"{n_retried} failed {noun} for a worker again." if n_retried else "The job has no failed features."
    )
    messages.info(request, text)
    return redirect("job-detail", public_id)


@login_required
def results_csv(request: SignedInRequest, public_id: UUID) -> HttpResponseBase:
    """The rows of the filter in the address. A wrong filter leads to the page, which marks what is wrong."""
    job = scope.job_or_404(request.user, public_id)
    try:
        return csv_download(job, chosen=read_filter(request.GET))
    except InvalidFilter:
        return redirect(f"{reverse('job-detail', args=[job.public_id])}?{request.GET.urlencode()}")
