"""Pages about libraries, reference collections, models and workers."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render

from annotation.accounts.models import Project, Role
from annotation.checkpoints.models import ModelVersion
from annotation.exports.csv_text import csv_response
from annotation.jobs.models import JobItem, WorkerHeartbeat
from annotation.libraries.models import LibraryEmbedding, LibraryVersion
from annotation.references.models import ReferenceVersion
from annotation.review.models import Verdict
from annotation.web import scope
from annotation.web.metrics_tables import COLUMNS, metrics_tables
from annotation.web.model_summary import summarise
from annotation.web.scope import SignedInRequest

ROWS_PER_PAGE = 50
MAX_WORKERS = 50
FIRST_ENTRIES = 12
ISSUE_COLUMNS = ("row", "position", "code", "reason", "remedy", "text")


@login_required
def library_list(request: SignedInRequest) -> HttpResponse:
    embeddings = LibraryEmbedding.objects.select_related("model_version").order_by("-requested_at")
    versions = LibraryVersion.objects.select_related("imported_by").prefetch_related(
        Prefetch("embeddings", embeddings)
    )
    libraries = scope.libraries(request.user).select_related("project")
    rows = libraries.prefetch_related(Prefetch("versions", versions.order_by("-number"))).order_by("name")
    references = ReferenceVersion.objects.select_related("imported_by").order_by("-number")
    collections = scope.collections(request.user).select_related("project")
    context = {
        "libraries": rows,
        "collections": collections.prefetch_related(Prefetch("versions", references)).order_by("name"),
        "may_publish": _projects_to_publish(request.user),
        "may_import": scope.may_import(request.user),
    }
    return render(request, "annotation/libraries.html", context)


def _projects_to_publish(user: User) -> QuerySet[Project]:
    """Projects with accepted reference spectra that the person may publish as a version."""
    accepted = Verdict.objects.filter(annotation__job__project=OuterRef("pk"), as_reference=True)
    return scope.projects(user, Role.CURATOR).filter(Exists(accepted))


@login_required
def library_version(request: SignedInRequest, pk: int) -> HttpResponse:
    rows = scope.library_versions(request.user).select_related("library__project", "imported_by")
    version = get_object_or_404(rows, pk=pk)
    context = {
        "version": version,
        "embeddings": version.embeddings.select_related("model_version").order_by("-requested_at"),
        "issues": Paginator(version.issues.all(), ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "entries": version.entries.select_related("molecule")
        .defer("molecule__fingerprint")
        .order_by("row_number")[:FIRST_ENTRIES],
    }
    return render(request, "annotation/library_version.html", context)


@login_required
def row_issues_csv(request: SignedInRequest, pk: int) -> StreamingHttpResponse:
    version = get_object_or_404(scope.library_versions(request.user), pk=pk)
    rows = version.issues.values_list("row_number", "position", "code", "reason", "remedy", "text").iterator()
    return csv_response(f"row-issues-{version.pk}.csv", ISSUE_COLUMNS, rows)


@login_required
def model_list(request: SignedInRequest) -> HttpResponse:
    models = ModelVersion.objects.order_by("-is_default", "-registered_at")
    context = {
        "rows": [(model, summarise(model.metrics), metrics_tables(model.metrics)) for model in models],
        "columns": COLUMNS,
    }
    return render(request, "annotation/models.html", context)


@login_required
def status(request: SignedInRequest) -> HttpResponse:
    """Workers and the queue. Workers are shared, so the counts cover all projects and name none of them."""
    open_items = JobItem.objects.filter(state__in=[JobItem.State.PENDING, JobItem.State.RUNNING])
    workers = WorkerHeartbeat.objects.with_liveness().select_related("model_version")
    oldest = open_items.order_by("id").values_list("job__created_at", flat=True).first()
    context = {
        "workers_seen": workers.order_by("-last_seen_at")[:MAX_WORKERS],
        "n_pending": open_items.filter(state=JobItem.State.PENDING).count(),
        "n_running": open_items.filter(state=JobItem.State.RUNNING).count(),
        "oldest": oldest,
    }
    return render(request, "annotation/status.html", context)
