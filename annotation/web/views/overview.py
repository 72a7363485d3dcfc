"""The overview of a job's results, and the stable address of a feature by its number."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from annotation.tables.filter_form import InvalidFilter, ResultFilter, read_filter
from annotation.web import scope
from annotation.web.overview_page import load_overview
from annotation.web.scope import SignedInRequest


@login_required
def overview(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """Of the features that the filter matches. A wrong filter leads to the page that marks what is wrong."""
    job = scope.job_or_404(request.user, public_id)
    try:
        chosen: ResultFilter = read_filter(request.GET)
        page = load_overview(job, chosen)
    except InvalidFilter:
        return redirect(f"{reverse('job-detail', args=[job.public_id])}?{request.GET.urlencode()}")
    context = {"job": job, "page": page, "chosen": chosen, "list_query": chosen.query}
    return render(request, "annotation/overview.html", context)


@login_required
def feature(request: SignedInRequest, public_id: UUID, number: int) -> HttpResponse:
    """The result of a feature, by its number in the job from 1; its row in the list if it has none."""
    job = scope.job_or_404(request.user, public_id)
    item = get_object_or_404(job.items.select_related("annotation"), position=number - 1)
    if hasattr(item, "annotation"):
        return redirect("annotation-detail", item.annotation.public_id)
    after = f"?after={number - 2}" if number > 1 else ""
    return redirect(f"{reverse('job-detail', args=[job.public_id])}{after}#spectra")
