"""The page of a job: progress, spectra, CSV download, cancel and retry."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from annotation.accounts.models import Role
from annotation.exports.table import csv_download
from annotation.jobs import actions
from annotation.jobs.models import Job
from annotation.jobs.progress import progress
from annotation.spectra.models import Upload
from annotation.tables.filter_form import InvalidFilter, read_filter
from annotation.web import scope
from annotation.web.demonstration import is_demonstration
from annotation.web.scope import SignedInRequest
from annotation.web.spectra_table import spectra_table
from annotation.web.table_columns import COOKIE, COOKIE_AGE_S, DENSITIES, make_layout, read_layout
from annotation.web.views.exports import exports_context


@login_required
def detail(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    job = scope.job_or_404(request.user, public_id)
    table = _table(request, job)
    context = {
        "job": job,
        "progress": progress(job),
        "densities": DENSITIES,
        "uploads": Upload.objects.filter(spectra__job_items__job=job).distinct().order_by("pk")[:20],
        "may_submit": scope.holds(request.user, job.project_id, Role.SUBMITTER),
        "may_review": scope.holds(request.user, job.project_id, Role.CURATOR),
        "is_demonstration": is_demonstration(job),
    }
    context |= exports_context(job, request.GET)
    return render(request, "annotation/job.html", context | table)


@login_required
def job_progress(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The progress only, for polling. The page reloads once the job is final, which ends the polling."""
    job = scope.job_or_404(request.user, public_id)
    current = progress(job)
    may_submit = scope.holds(request.user, job.project_id, Role.SUBMITTER)
    context = {"job": job, "progress": current, "may_submit": may_submit}
    response = render(request, "annotation/_progress.html", context)
    if current.is_final:
        response.headers["HX-Refresh"] = "true"
    return response


@login_required
def spectra(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The table only. The page polls it while the job is open."""
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
@require_POST
def cancel(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    job = scope.job_or_404(request.user, public_id)
    scope.require(request.user, job.project_id, Role.SUBMITTER)
    actions.cancel(job, request.user)
    messages.info(request, "Job cancelled. A worker stops after its current batch. Finished results stay.")
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
