"""The page of a library or of a collection: its versions, their differences, where they are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from annotation.imports import actions
from annotation.libraries.models import Library
from annotation.references.models import ReferenceCollection
from annotation.web import scope
from annotation.web.scope import SignedInRequest
from annotation.web.version_pages import Version, load_differences, load_use


@login_required
def library(request: SignedInRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(scope.libraries(request.user).select_related("project"), pk=pk)
    versions = list(shown.versions.select_related("library", "imported_by").order_by("-number"))
    return render(request, "annotation/collection.html", _context(request, shown, versions, "library"))


@login_required
def collection(request: SignedInRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(scope.collections(request.user).select_related("project"), pk=pk)
    versions = list(shown.versions.select_related("collection", "imported_by").order_by("-number"))
    return render(request, "annotation/collection.html", _context(request, shown, versions, "reference"))


def _context(
    request: SignedInRequest, shown: Library | ReferenceCollection, versions: Sequence[Version], kind: str
) -> dict[str, Any]:
    ready = [version for version in versions if version.state == version.State.READY]
    use = load_use(request.user, versions)
    is_accepted = isinstance(shown, ReferenceCollection) and shown.is_accepted
    may_import = not is_accepted and actions.may_import(request.user, shown.project)
    return {
        "shown": shown,
        "kind": kind,
        "version_page": f"{kind}-version",
        "versions": [(version, use.n_jobs.get(version.pk, 0)) for version in versions],
        "numbers": [(str(version.number), f"version {version.number}") for version in ready],
        "differences": load_differences(ready, request.GET),
        "use": use,
        "import_page": reverse(f"{kind}-import") if may_import else "",
    }
