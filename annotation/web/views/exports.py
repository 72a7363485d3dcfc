"""Exports of a job: the list on its page, the request for one, and its file."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from annotation.exports.actions import CannotExport, request_export
from annotation.exports.download import NotThere, download
from annotation.exports.models import Export
from annotation.exports.selection import filter_text
from annotation.jobs.models import Job
from annotation.web import scope
from annotation.web.scope import SignedInRequest

N_SHOWN = 25  # at least one of each format
TOPS = [(str(n), f"{n} candidate{'s' if n > 1 else ''}") for n in (1, 3, 5, 10, 40)]


def exports_context(job: Job, query: QueryDict) -> dict[str, Any]:
    """What `_exports.html` shows: the latest exports of a job, and the filter for a new one. One query."""
    address, filter_query = reverse("job-exports", args=[job.public_id]), filter_text(query)
    exports = list(Export.objects.filter(job=job).select_related("requested_by")[:N_SHOWN])
    return {
        "exports": exports,
        "exports_open": any(export.is_open for export in exports),
        "export_formats": Export.Format.choices,
        "export_tops": TOPS,
        "export_filter": filter_query,
        "exports_url": f"{address}?{filter_query}" if filter_query else address,
    }


@login_required
def job_exports(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The list only. The page polls it while an export is being built."""
    job = scope.job_or_404(request.user, public_id)
    return render(request, "annotation/_exports.html", {"job": job} | exports_context(job, request.GET))


@login_required
@require_POST
def add_export(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Request an export with the filter of the page, and return to the page."""
    job = scope.job_or_404(request.user, public_id)
    top = request.POST.get("top", "1")
    filter_query = filter_text(QueryDict(request.POST.get("filter", "")))
    try:
        export = request_export(
            job=job,
            user=request.user,
            format=request.POST.get("format", ""),
            filter_query=filter_query,
            top=int(top) if top.isascii() and top.isdigit() and len(top) < 6 else 0,
        )
    except CannotExport as reason:
        messages.error(request, str(reason))
    else:
        text = f"{export.get_format_display()} is being built. It appears in the list of exports."
        messages.info(request, text)
    return _to_job(job, filter_query)


@login_required
def export_file(request: SignedInRequest, public_id: UUID) -> HttpResponseBase:
    exports = Export.objects.in_projects(scope.projects(request.user)).select_related("job")
    export = get_object_or_404(exports, public_id=public_id)
    try:
        return download(export)
    except NotThere as reason:
        messages.error(request, str(reason))
        return _to_job(export.job, export.filter)


def _to_job(job: Job, filter_query: str) -> HttpResponse:
    query = f"?{filter_query}" if filter_query else ""
    return redirect(f"{reverse('job-detail', args=[job.public_id])}{query}#exports")
