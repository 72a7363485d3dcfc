"""The page of a reference version, and publishing the spectra that curators accepted as a new version."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from annotation.accounts.models import Role
from annotation.review.publish_references import NothingToPublish, publish
from annotation.web import scope
from annotation.web.scope import SignedInRequest

ROWS_PER_PAGE = 50


@login_required
def version(request: SignedInRequest, pk: int) -> HttpResponse:
    rows = scope.reference_versions(request.user).select_related("collection__project", "imported_by")
    reference_version = get_object_or_404(rows, pk=pk)
    spectra = reference_version.spectra.select_related("molecule").defer(
        "mz_bytes", "intensity_bytes", "molecule__fingerprint"
    )
    context = {
        "version": reference_version,
        "spectra": Paginator(spectra, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "issues": reference_version.issues.all()[:ROWS_PER_PAGE],
    }
    return render(request, "annotation/reference_version.html", context)


@login_required
@require_POST
def publish_accepted(request: SignedInRequest, slug: str) -> HttpResponse:
    project = get_object_or_404(scope.projects(request.user), slug=slug)
    scope.require(request.user, project.pk, Role.CURATOR)
    try:
        published = publish(project, request.user)
    except NothingToPublish as error:
        messages.info(request, str(error))
        return redirect("libraries")
    noun = "spectrum" if published.n_spectra == 1 else "spectra"
    messages.success(request, f"{published} has {published.n_spectra} {noun}. New jobs can use it.")
    return redirect("reference-version", published.pk)
