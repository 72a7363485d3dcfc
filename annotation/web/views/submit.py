"""The first step of a submission: only the files. The report of `views.report` is the second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.files import File
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from annotation.accounts.models import Role
from annotation.exports.csv_text import csv_response
from annotation.references import accessions
from annotation.spectra import pasted, readers
from annotation.spectra.ingest import store_upload
from annotation.spectra.models import Upload
from annotation.spectra.quantification import pair_tables
from annotation.web import report_page, run_settings, scope
from annotation.web.forms import AccessionForm, FilesForm, PeaksForm
from annotation.web.scope import SignedInRequest
from annotation.web.sessions import form_login_required

AnyForm = FilesForm | PeaksForm | AccessionForm
ISSUE_COLUMNS = ("file", "position", "title", "severity", "code", "reason", "remedy", "n")


@form_login_required
@require_http_methods(["GET", "POST"])
def submit(request: SignedInRequest) -> HttpResponse:
    """Files, pasted peaks or an accession, whichever form was sent: all of them become uploads."""
    if not scope.projects(request.user, Role.SUBMITTER).exists():
        return render(request, "annotation/submit_forbidden.html", status=403)
    kept = _kept_uploads(request)
    forms = _Forms.of(request, kept)
    sent = forms.sent
    if sent is None:
        return _page(request, forms, kept, 200)
    if not sent.is_valid():
        return _page(request, forms, kept, 422)
    try:
        uploads = _store(request, sent)
    except readers.Busy as busy:
        sent.add_error(None, str(busy))
        response = _page(request, forms, kept, 429 if busy.own else 503)
        response.headers["Retry-After"] = str(readers.RETRY_AFTER_S)
        return response
    return redirect(to_report(request, [*kept, *uploads]))


@dataclass(frozen=True, slots=True)
class _Forms:
    """The three forms of the page. At most one of them was sent."""

    files: FilesForm
    peaks: PeaksForm
    accession: AccessionForm
    sent: AnyForm | None

    @classmethod
    def of(cls, request: SignedInRequest, kept: list[Upload]) -> _Forms:
        """New files go to the project of the kept ones."""
        data = request.POST.copy()
        if kept:
            data["project"] = str(kept[0].project_id)
        kind = data.get("kind", "files") if request.method == "POST" else ""

        def bound(name: str) -> QueryDict | None:
            return data if kind == name else None

        files = FilesForm(
            request.user,
            bound("files"),
            request.FILES if kind == "files" else None,
            max_bytes=settings.GLMR_MAX_UPLOAD_BYTES,
        )
        peaks = PeaksForm(request.user, bound("peaks"))
        accession = AccessionForm(request.user, bound("accession"))
        by_kind: dict[str, AnyForm] = {"files": files, "peaks": peaks, "accession": accession}
        return cls(files, peaks, accession, by_kind.get(kind))


def to_report(request: SignedInRequest, uploads: list[Upload]) -> str:
    """The address of the report of the uploads, with all else that the query of the first step carries."""
    pairs = [("upload", str(upload.pk)) for upload in uploads]
    carried = {name: request.GET[name] for name in ("again", "only", "preset") if name in request.GET}
    return report_page.address([*pairs, *carried.items(), *run_settings.sent(request.GET).items()])


def _kept_uploads(request: SignedInRequest) -> list[Upload]:
    """Files of the selection that this step adds to. Those of other people or projects are left out."""
    mine = scope.uploads(request.user, Role.SUBMITTER).filter(pk__in=report_page.upload_ids(request.GET))
    uploads = list(mine.select_related("project").order_by("pk"))
    return [upload for upload in uploads if upload.project_id == uploads[0].project_id]


def _store(request: SignedInRequest, form: AnyForm) -> list[Upload]:
    """All files, the refused ones too. Raises readers.Busy, and then nothing is stored."""
    project = form.cleaned_data["project"]
    with readers.turn(readers.person(request.user)):
        return [
            store_upload(project, request.user, file, file.name or "unnamed", quantities=table)
            for file, table in pair_tables(_files(form))
        ]


def _files(form: AnyForm) -> list[File[Any]]:
    values = form.cleaned_data
    match form:
        case FilesForm():
            return list(values["spectra"])
        case PeaksForm():
            fields = {name: values[name] for name in ("precursor_mz", "adduct", "title")}
            return [pasted.as_file(values["peaks"], fields, f"{values['title'] or 'Pasted peaks'}.json")]
        case AccessionForm():
            return [accessions.as_file(values["accession"])]


def _page(request: SignedInRequest, forms: _Forms, kept: list[Upload], status: int) -> HttpResponse:
    context = {
        "form": forms.files,
        "peaks_form": forms.peaks,
        "accession_form": forms.accession,
        "invalid": forms.sent is not None and bool(forms.sent.errors),
        "kept": kept,
        "report_address": to_report(request, kept),
        "max_bytes": settings.GLMR_MAX_UPLOAD_BYTES,
        **scope.library_state(request.user),
    }
    return render(request, "annotation/submit.html", context, status=status)


@login_required
def issues_csv(request: SignedInRequest, pk: int) -> StreamingHttpResponse:
    upload = get_object_or_404(scope.uploads(request.user), pk=pk)
    issues = upload.issues.values_list(*ISSUE_COLUMNS[1:]).iterator()
    rows = ((upload.file_name, *issue) for issue in issues)
    return csv_response(f"issues-{upload.pk}.csv", ISSUE_COLUMNS, rows)
