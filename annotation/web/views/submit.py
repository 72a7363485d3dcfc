"""Submission in two steps: upload files, check the report on them, then start the job."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from annotation.accounts.models import Role
from annotation.exports.csv_text import csv_response
from annotation.jobs import actions
from annotation.jobs.models import Job, JobItem
from annotation.spectra import readers
from annotation.spectra.ingest import store_upload
from annotation.spectra.models import Feature, SpectrumIssue, Upload
from annotation.spectra.quantification import pair_tables
from annotation.web import scope
from annotation.web.forms import RunForm, SubmitForm
from annotation.web.scope import SignedInRequest

ISSUES_PER_PAGE = 50
MAX_PROPOSALS = 50
# Fields of the first step that the report's URL carries to the second.
CARRIED_FIELDS = (
    "name",
    "library_version",
    "model_version",
    "reference_version",
    "method",
    "precursor_tolerance_ppm",
    "positive_adduct",
    "negative_adduct",
)
ISSUE_COLUMNS = ("file", "position", "title", "severity", "code", "reason", "remedy", "n")


@login_required
@require_http_methods(["GET", "POST"])
def submit(request: SignedInRequest) -> HttpResponse:
    if not scope.projects(request.user, Role.SUBMITTER).exists():
        return render(request, "annotation/submit_forbidden.html", status=403)
    if request.method == "GET":
        form = SubmitForm(request.user, initial=request.GET.dict(), max_bytes=settings.GLMR_MAX_UPLOAD_BYTES)
        return _submit_page(request, form, 200)
    form = SubmitForm(request.user, request.POST, request.FILES, max_bytes=settings.GLMR_MAX_UPLOAD_BYTES)
    if not form.is_valid():
        return _submit_page(request, form, 422)
    try:
        with readers.turn(readers.person(request.user)):
            uploads = [
                store_upload(
                    form.cleaned_data["project"],
                    request.user,
                    file,
                    file.name or "unnamed",
                    Upload.Grouping(form.cleaned_data["grouping"] or Upload.Grouping.AUTO),
                    table,
                )
                for file, table in pair_tables(form.cleaned_data["spectra"])
            ]
    except readers.Busy as busy:
        form.add_error("spectra", str(busy))
        response = _submit_page(request, form, 429 if busy.own else 503)
        response.headers["Retry-After"] = str(readers.RETRY_AFTER_S)
        return response
    if all(upload.state == Upload.State.REFUSED for upload in uploads):
        for upload in uploads:
            form.add_error("spectra", f"{upload.file_name}: {upload.refusal}")
        return _submit_page(request, form, 422)
    carried = [(name, request.POST.get(name, "")) for name in CARRIED_FIELDS]
    parameters = urlencode([*(("upload", str(upload.pk)) for upload in uploads), *carried])
    return redirect(f"{reverse('upload-report')}?{parameters}")


def _submit_page(request: SignedInRequest, form: SubmitForm, status: int) -> HttpResponse:
    context = {"form": form, "max_bytes": settings.GLMR_MAX_UPLOAD_BYTES}
    return render(request, "annotation/submit.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def report(request: SignedInRequest) -> HttpResponse:
    """What the uploads contain. Submitters start the job here."""
    uploads = _uploads(request)
    may_submit = scope.holds(request.user, uploads[0].project_id, Role.SUBMITTER)
    if request.method == "POST":
        scope.require(request.user, uploads[0].project_id, Role.SUBMITTER)
        form = RunForm(request.user, request.POST)
        if form.is_valid():
            try:
                return redirect("job-detail", _start(request, uploads, form).public_id)
            except actions.CannotSubmit as refusal:
                form.add_error(None, str(refusal))
    else:
        carried = {name: request.GET[name] for name in CARRIED_FIELDS if request.GET.get(name)}
        if "reference_version" in request.GET:  # an empty value means none, not the default
            carried["reference_version"] = request.GET["reference_version"]
        form = RunForm(request.user, initial={"name": _default_name(uploads)} | carried)
    context = _report(request, uploads, form, may_submit)
    return render(request, "annotation/report.html", context, status=422 if form.errors else 200)


def _uploads(request: SignedInRequest) -> list[Upload]:
    """The uploads that the URL names. All must exist and belong to one project of the person, else 404."""
    keys = [int(pk) for pk in request.GET.getlist("upload") if pk.isdecimal() and len(pk) < 19]
    uploads = list(scope.uploads(request.user).filter(pk__in=keys).select_related("project").order_by("pk"))
    if not uploads or len(uploads) != len(set(keys)) or len({upload.project_id for upload in uploads}) > 1:
        raise Http404("Your projects have no such upload.")
    return uploads


def _start(request: SignedInRequest, uploads: list[Upload], form: RunForm) -> Job:
    features = Feature.objects.filter(upload__in=uploads).order_by("upload_id", "number")
    return actions.submit(
        project=uploads[0].project,
        user=request.user,
        name=form.cleaned_data["name"] or _default_name(uploads),
        features=features,
        library_version=form.cleaned_data["library_version"],
        model_version=form.cleaned_data["model_version"],
        reference_version=form.cleaned_data["reference_version"],
        params=form.params(),
    )


def _default_name(uploads: list[Upload]) -> str:
    others = f" and {len(uploads) - 1} more" if len(uploads) > 1 else ""
    return f"{uploads[0].file_name[:180]}{others}"


def _report(
    request: SignedInRequest, uploads: list[Upload], form: RunForm, may_submit: bool
) -> dict[str, object]:
    issues = SpectrumIssue.objects.filter(upload__in=uploads).select_related("upload")
    page = Paginator(issues, ISSUES_PER_PAGE).get_page(request.GET.get("page"))
    n_counted = sum(upload.n_rejected + upload.n_repaired + upload.n_skipped for upload in uploads)
    features = Feature.objects.filter(upload__in=uploads)
    proposed = Q(adduct="") & ~Q(proposed_adduct="")
    missing = features.aggregate(
        usable=Count("id"),
        proposed=Count("id", filter=proposed),
        no_adduct=Count("id", filter=Q(adduct="")),
        no_mode=Count("id", filter=Q(adduct="", ion_mode="")),
        no_precursor=Count("id", filter=Q(precursor_mz=None)),
    )
    return {
        "uploads": uploads,
        "project": uploads[0].project,
        "issues": page,
        "n_unlisted": max(0, n_counted - (issues.aggregate(n=Sum("n"))["n"] or 0)),
        "n_spectra": sum(upload.n_usable for upload in uploads),
        "grouped": features.summary(),
        "proposals": features.filter(proposed).order_by("upload_id", "number")[:MAX_PROPOSALS],
        "missing": missing,
        "form": form,
        "may_submit": may_submit,
        "jobs": scope.jobs(request.user)
        .filter(pk__in=JobItem.objects.filter(spectrum__upload__in=uploads).values("job_id"))
        .order_by("-created_at")[:10],
    }


@login_required
def issues_csv(request: SignedInRequest, pk: int) -> StreamingHttpResponse:
    upload = get_object_or_404(scope.uploads(request.user), pk=pk)
    issues = upload.issues.values_list(*ISSUE_COLUMNS[1:]).iterator()
    rows = ((upload.file_name, *issue) for issue in issues)
    return csv_response(f"issues-{upload.pk}.csv", ISSUE_COLUMNS, rows)
