"""The review queue: the annotations that wait for a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode

from annotation.accounts.models import Role
from annotation.results.compound_names import names_of_rank_1
from annotation.results.models import Annotation
from annotation.tables.certainty import CERTAINTY_FILTERS, QUEUE_ORDERS
from annotation.web import scope
from annotation.web.review_queue import active_filters, requested_job_id, review_queue
from annotation.web.scope import SignedInRequest

ROWS_PER_PAGE = 50


@dataclass(frozen=True)
class QueueRow:
    annotation: Annotation
    name: str  # of rank 1 in the job's library; empty if the library has none


@login_required
def queue(request: SignedInRequest) -> HttpResponse:
    filters, job_id = active_filters(request.GET), requested_job_id(request.GET)
    page = _waiting_page(request)
    names = names_of_rank_1(page)
    projects = scope.projects(request.user, Role.CURATOR)
    context = {
        "projects": projects,
        "project_choices": [("", "All projects"), *((project.slug, str(project)) for project in projects)],
        "page": page,
        "rows": [QueueRow(annotation, names.get(annotation.pk, "")) for annotation in page],
        "filters": filters,
        "certainty_filters": CERTAINTY_FILTERS,
        "queue_orders": QUEUE_ORDERS,
        "queue_query": urlencode({"queue": "1"} | filters),
        "job": scope.jobs(request.user).filter(public_id=job_id).first() if job_id else None,
    }
    return render(request, "annotation/review.html", context)


def _waiting_page(request: SignedInRequest) -> Page[Annotation]:
    """The requested page of the queue, with what a row shows. Raw peaks stay in the database. Two queries."""
    waiting = (
        review_queue(request.user, request.GET)
        .select_related("spectrum", "top_molecule", "job__project", "item")
        .defer(
            "spectrum__mz_bytes",
            "spectrum__intensity_bytes",
            "spectrum__metadata",
            "top_molecule__fingerprint",
        )
    )
    return Paginator(waiting, ROWS_PER_PAGE).get_page(request.GET.get("page"))
