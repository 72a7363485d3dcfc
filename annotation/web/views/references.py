"""Reference spectra: the page of a version, one spectrum, and publishing those that curators accepted."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from annotation.accounts.models import Role
from annotation.exports.csv_text import csv_response
from annotation.references.filter import SpectrumFilter, load_page
from annotation.references.models import ReferenceSpectrum
from annotation.review.publish_references import NothingToPublish, publish
from annotation.web import scope
from annotation.web.reference_form import ReferenceFilterForm
from annotation.web.scope import SignedInRequest
from annotation.web.spectrum_plot_data import plot_data

ROWS_PER_PAGE = 50
ISSUE_COLUMNS = ("position", "code", "reason", "remedy", "title")


@login_required
def version(request: SignedInRequest, pk: int) -> HttpResponse:
    rows = scope.reference_versions(request.user).select_related("collection__project", "imported_by")
    reference_version = get_object_or_404(rows, pk=pk)
    form = ReferenceFilterForm(request.GET)
    chosen = form.chosen() if form.is_valid() else SpectrumFilter()
    after = request.GET.get("after", "")
    context = {
        "version": reference_version,
        "form": form,
        "is_filtered": chosen != SpectrumFilter(),
        "spectra": load_page(reference_version, chosen, int(after) if _is_number(after) else -1),
        "issues": Paginator(reference_version.issues.all(), ROWS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "annotation/reference_version.html", context)


@login_required
def spectrum(request: SignedInRequest, pk: int) -> HttpResponse:
    """One reference spectrum with its peaks. Two queries besides those of every page."""
    rows = ReferenceSpectrum.objects.filter(version__in=scope.reference_versions(request.user))
    shown = get_object_or_404(
        rows.select_related("molecule", "version__collection__project").defer("molecule__fingerprint"), pk=pk
    )
    context = {"spectrum": shown, "plot": plot_data(shown.to_exchange())}
    return render(request, "annotation/reference_spectrum.html", context)


@login_required
def issues_csv(request: SignedInRequest, pk: int) -> StreamingHttpResponse:
    reference_version = get_object_or_404(scope.reference_versions(request.user), pk=pk)
    rows = reference_version.issues.values_list(*ISSUE_COLUMNS).iterator()
    return csv_response(f"spectrum-issues-{reference_version.pk}.csv", ISSUE_COLUMNS, rows)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


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
