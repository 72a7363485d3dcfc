"""Import a file as a version of a library or of a reference collection: upload, see the check, publish."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from annotation.imports import actions, ledger
from annotation.imports.models import VersionImport
from annotation.web import scope
from annotation.web.import_form import ImportForm
from annotation.web.scope import SignedInRequest

N_LISTED = 20
# An exporter looks for work every two seconds. A longer wait needs an explanation.
LONG_WAIT = timedelta(seconds=30)
BADGES = {
    "waiting": "pending",
    "checking": "running",
    "checked": "ready",
    "queued": "pending",
    "publishing": "running",
    "published": "done",
    "failed": "failed",
    "discarded": "cancelled",
}
LICENCES = ("CC0 1.0", "CC BY 4.0", "CC BY-SA 4.0", "CC BY-NC-SA 4.0", "In-house, not for publication")


@login_required
def begin(request: SignedInRequest, kind: str) -> HttpResponse:
    """The form, the imports of the person's projects, and the start of an import."""
    if not scope.may_import(request.user):
        raise PermissionDenied(
            "Managers import libraries and reference spectra for their project, and administrators for all."
        )
    initial = {name: request.GET.get(name, "") for name in ("name", "owner")}
    files = (request.POST, request.FILES) if request.method == "POST" else ()
    form = ImportForm(VersionImport.Kind(kind), request.user, *files, initial=initial)
    if request.method == "POST" and form.is_valid() and (row := form.request_import()):
        return redirect("import-detail", row.public_id)
    rows = scope.imports(request.user).filter(kind=kind).select_related("project", "requested_by")[:N_LISTED]
    context = {
        "form": form,
        "kind": kind,
        "imports": [(row, BADGES[row.state]) for row in rows],
        "licences": LICENCES,
        "max_bytes": settings.GLMR_MAX_UPLOAD_BYTES,
    }
    return render(request, "annotation/import_begin.html", context, status=422 if form.errors else 200)


@login_required
def detail(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    row = _import_or_404(request, public_id)
    return render(request, "annotation/import.html", _context(request, row))


@login_required
def state(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """The part of the page that changes while a worker checks or publishes."""
    row = _import_or_404(request, public_id)
    return render(request, "annotation/_import_state.html", _context(request, row))


@login_required
@require_POST
def publish(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    row = _managed_import(request, public_id)
    try:
        actions.publish(row, request.user)
    except actions.CannotRequest as refusal:
        messages.error(request, str(refusal))
    return redirect("import-detail", row.public_id)


@login_required
@require_POST
def discard(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    row = _managed_import(request, public_id)
    try:
        actions.discard(row)
    except actions.CannotRequest as refusal:
        messages.error(request, str(refusal))
    return redirect("import-detail", row.public_id)


@login_required
def rejected_csv(request: SignedInRequest, public_id: UUID) -> HttpResponseBase:
    """Every rejected row or spectrum of the file."""
    row = _import_or_404(request, public_id)
    if row.waits_for_check:
        raise Http404("The file is not checked yet.")
    try:
        stream = ledger.rejected_of(row).open("rb")
    except FileNotFoundError:
        raise Http404("The list of rejected rows was deleted after its time.") from None
    name = f"rejected-{row.public_id}.csv"
    return FileResponse(stream, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")


def _import_or_404(request: SignedInRequest, public_id: UUID) -> VersionImport:
    rows = scope.imports(request.user).select_related(
        "project",
        "requested_by",
        "published_by",
        "library_version__library",
        "reference_version__collection",
    )
    return get_object_or_404(rows, public_id=public_id)


def _managed_import(request: SignedInRequest, public_id: UUID) -> VersionImport:
    """Raises PermissionDenied (403) for those who may only look at it."""
    row = _import_or_404(request, public_id)
    if not actions.may_import(request.user, row.project):
        raise PermissionDenied("Managers of the project publish and discard its imports.")
    return row


def _context(request: SignedInRequest, row: VersionImport) -> dict[str, Any]:
    waits = row.state in VersionImport.WAITING
    is_checked = row.state == VersionImport.State.CHECKED
    return {
        "row": row,
        "may_import": actions.may_import(request.user, row.project),
        "report": row.report,
        "badge": BADGES[row.state],
        "publish_label": _publish_label(row, actions.next_number(row)) if is_checked else "",
        "progress_text": _progress_text(row),
        "waits_long": waits and timezone.now() - row.waits_since > LONG_WAIT,
        "has_rejected": row.has_files and bool(row.report.get("n_rejected")),
        "version": row.library_version or row.reference_version,
    }


def _publish_label(row: VersionImport, number: int) -> str:
    """What the button does, such as "Publish 169,915 molecules as version 3"."""
    if row.kind == VersionImport.Kind.LIBRARY:
        n, one, many = row.report["n_molecules"], "molecule", "molecules"
    else:
        n, one, many = row.report["n_accepted"], "spectrum", "spectra"
    return f"Publish {n:,} {one if n == 1 else many} as version {number}"


def _progress_text(row: VersionImport) -> str:
    if row.state == VersionImport.State.CHECKING:
        return f"Checked {row.n_done:,} {row.units} so far."
    # A library counts all its rows, and a collection only the spectra that it stores.
    total = row.report.get("n_read" if row.kind == VersionImport.Kind.LIBRARY else "n_accepted", 0)
    return f"Stored {row.n_done:,} of {total:,} {row.units} so far."
