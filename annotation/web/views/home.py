"""The start page, which lists the jobs of a person's projects, and the page about scores."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.accounts.models import Role
from annotation.checkpoints.models import ModelVersion
from annotation.jobs.progress import with_progress
from annotation.web import scope
from annotation.web.scope import SignedInRequest

JOBS_PER_PAGE = 20


@login_required
def home(request: SignedInRequest) -> HttpResponse:
    projects = scope.projects(request.user)
    context = _jobs(request) | {
        "projects": projects,
        "project_choices": [("", "All projects"), *((project.slug, project.name) for project in projects)],
        "may_submit": scope.projects(request.user, Role.SUBMITTER).exists(),
        **scope.library_state(request.user),
        "has_model": ModelVersion.objects.exists(),
    }
    return render(request, "annotation/home.html", context)


@login_required
def job_list(request: SignedInRequest) -> HttpResponse:
    """The table only. The start page polls it while a job is open."""
    return render(request, "annotation/_job_list.html", _jobs(request))


def _jobs(request: SignedInRequest) -> dict[str, object]:
    jobs = scope.jobs(request.user).select_related(
        "project", "submitted_by", "library_version__library", "model_version"
    )
    if project := request.GET.get("project"):
        jobs = jobs.filter(project__slug=project)
    page = Paginator(jobs.order_by("-created_at"), JOBS_PER_PAGE).get_page(request.GET.get("page"))
    rows = with_progress(page.object_list)
    is_live = any(not progress.is_final for _, progress in rows)
    return {"page": page, "rows": rows, "is_live": is_live}


def about(request: HttpRequest) -> HttpResponse:
    """What the scores and levels mean. Needs no sign-in."""
    return render(request, "annotation/about.html")
