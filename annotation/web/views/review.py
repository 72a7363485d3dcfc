"""The review queue: what waits for a verdict."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode

from annotation.accounts.models import Role
from annotation.results.compound_names import names_of_rank_1
from annotation.web import scope
from annotation.web.certainty import ORDERS, SURE
from annotation.web.review_queue import asked_job_id, kept_filters, review_queue
from annotation.web.scope import SignedInRequest

ROWS_PER_PAGE = 50


@login_required
def queue(request: SignedInRequest) -> HttpResponse:
    projects = scope.projects(request.user, Role.CURATOR)
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
    kept, job = kept_filters(request.GET), asked_job_id(request.GET)
    page = Paginator(waiting, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    names = names_of_rank_1(page)
    context = {
        "projects": projects,
        "page": page,
        "rows": [(annotation, names.get(annotation.pk, "")) for annotation in page],
        "kept": kept,
        "sure_choices": SURE,
        "order_choices": ORDERS,
        "carried": urlencode({"queue": "1"} | kept),
        "job": scope.jobs(request.user).filter(public_id=job).first() if job else None,
    }
    return render(request, "annotation/review.html", context)
