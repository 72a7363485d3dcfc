"""The second step of a submission: what the files contain, the settings of the job, and its start."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from annotation.accounts.models import Role
from annotation.jobs import actions, presets
from annotation.jobs.models import Job
from annotation.spectra import readers, samples
from annotation.spectra.ingest import regroup
from annotation.spectra.models import Feature, Upload
from annotation.web import report_page, run_settings, scope
from annotation.web.forms import RunForm
from annotation.web.report_page import Choice
from annotation.web.scope import SignedInRequest
from annotation.web.sessions import form_login_required


@form_login_required
@require_http_methods(["GET", "POST"])
def report(request: SignedInRequest) -> HttpResponse:
    """What the uploads contain. Submitters choose the settings here and start the job."""
    choice = report_page.choose(request)
    if request.method == "GET":
        return _page(request, choice, report_page.new_form(request, choice))
    scope.require(request.user, choice.project_id, Role.SUBMITTER)
    form = report_page.sent_form(request, choice)
    action, _, value = request.POST.get("do", "start").partition(":")
    return _ACTIONS.get(action, _start)(request, choice, form, value)


@login_required
@require_GET
def summary(request: SignedInRequest) -> HttpResponse:
    """The summary and the button only, for the settings in the query. The page asks at each change."""
    choice = report_page.choose(request)
    form = RunForm(request.user, request.GET, base=report_page.base(choice))
    context = {"preflight": report_page.summary(request, choice, form), "is_update": True}
    return render(request, "annotation/_preflight.html", context)


@login_required
@require_GET
def run_again(request: SignedInRequest, public_id: UUID) -> HttpResponse:
    """To the report of the job's files, with the job's settings in the form."""
    job = scope.job_or_404(request.user, public_id)
    scope.require(request.user, job.project_id, Role.SUBMITTER)
    uploads = Upload.objects.of_job(job.pk).order_by("pk")
    pairs = [("upload", str(pk)) for pk in uploads.values_list("pk", flat=True)]
    return redirect(report_page.address([*pairs, ("again", str(job.public_id))]))


def _page(request: SignedInRequest, choice: Choice, form: RunForm) -> HttpResponse:
    context = report_page.load_report(request, choice, form)
    return render(request, "annotation/report.html", context, status=422 if form.errors else 200)


def _start(request: SignedInRequest, choice: Choice, form: RunForm, _: str) -> HttpResponse:
    given = _samples(request, choice, form)
    if form.is_valid() and given is not None:
        found = report_page.summary(request, choice, form)
        if not found.n_ready:
            form.add_error(None, f"{found.action}. Change the adducts, or choose other files.")
            return _page(request, choice, form)
        try:
            with transaction.atomic():
                samples.store(choice.uploads, given)
                job = actions.submit(
                    project=choice.uploads[0].project,
                    user=request.user,
                    name=form.cleaned_data["name"] or report_page.default_name(choice),
                    features=choice.features(),
                    library_version=form.cleaned_data["library_version"],
                    model_version=form.cleaned_data["model_version"],
                    reference_version=form.cleaned_data["reference_version"],
                    params=form.params(),
                    priority=form.cleaned_data["priority"] or Job.Priority.BATCH,
                    repeats=choice.again,
                )
            return redirect("job-detail", job.public_id)
        except actions.CannotSubmit as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
    return _page(request, choice, form)


def _samples(request: SignedInRequest, choice: Choice, form: RunForm) -> dict[int, str] | None:
    """The sample of each file; None if the list of samples has a fault, which the form then shows."""
    fields = {upload.pk: request.POST.get(f"sample-{upload.pk}", upload.sample) for upload in choice.uploads}
    try:
        listed = samples.match(samples.parse(request.POST.get("sample_list", "")), choice.uploads)
    except samples.BadList as fault:
        form.add_error(None, str(fault))
        return None
    return fields | listed


def _with_settings(
    request: SignedInRequest, choice: Choice, uploads: list[int] | None = None
) -> list[tuple[str, str]]:
    """The parameters of the URL, with the settings of the form, so that nothing has to be entered again."""
    return [*choice.query(uploads), *run_settings.sent(request.POST).items()]


def _remove(request: SignedInRequest, choice: Choice, form: RunForm, value: str) -> HttpResponse:
    """Leave the file out of the selection. The stored upload stays."""
    _keep_samples(request, choice, form)
    left = [upload.pk for upload in choice.uploads if str(upload.pk) != value]
    if not left:
        return redirect("submit")
    return redirect(report_page.address(_with_settings(request, choice, left)))


def _check(request: SignedInRequest, choice: Choice, form: RunForm, _: str) -> HttpResponse:
    """Show the page again, with the samples stored and the settings kept."""
    _keep_samples(request, choice, form)
    return redirect(report_page.address(_with_settings(request, choice)))


def _regroup(request: SignedInRequest, choice: Choice, form: RunForm, value: str) -> HttpResponse:
    """Read the stored files again with the other grouping. The earlier uploads stay."""
    if Feature.objects.filter(upload__in=choice.uploads).exclude(quantities={}).exists():
        form.add_error(None, "Quantification tables are not stored, so the files must be uploaded again.")
        return _page(request, choice, form)
    _keep_samples(request, choice, form)
    try:
        with readers.turn(readers.person(request.user)):
            uploads = [regroup(upload, request.user, Upload.Grouping(value)) for upload in choice.uploads]
    except ValueError:
        return HttpResponseBadRequest(f"There is no grouping {value!r}.")
    except readers.Busy as busy:
        form.add_error(None, str(busy))
        return _page(request, choice, form)
    pairs = _with_settings(request, choice, [upload.pk for upload in uploads])
    return redirect(report_page.address(pairs))


def _add(request: SignedInRequest, choice: Choice, form: RunForm, _: str) -> HttpResponse:
    """To the first step, which brings its files to this selection."""
    _keep_samples(request, choice, form)
    return redirect(report_page.address(_with_settings(request, choice), "submit"))


def _keep_samples(request: SignedInRequest, choice: Choice, form: RunForm) -> None:
    given = _samples(request, choice, form)
    if given is not None:
        samples.store(choice.uploads, given)


def _save_preset(request: SignedInRequest, choice: Choice, form: RunForm, _: str) -> HttpResponse:
    name = request.POST.get("preset_name", "").strip()
    if not name:
        form.add_error(None, "The preset has no name. Enter one.")
    if not form.is_valid():
        return _page(request, choice, form)
    values = run_settings.sent(request.POST, run_settings.PRESET_FIELDS)
    preset = presets.save(choice.uploads[0].project, request.user, name, values)
    messages.success(
        request, f"Saved the settings as “{preset.name}”. All submitters of the project can use them."
    )
    return redirect(report_page.address([*_with_settings(request, choice), ("preset", str(preset.pk))]))


def _use_preset(request: SignedInRequest, choice: Choice, form: RunForm, _: str) -> HttpResponse:
    preset = presets.find(choice.project_id, request.POST.get("preset", ""))
    if preset is None:
        return redirect(report_page.address(_with_settings(request, choice)))
    settings = run_settings.sent(request.POST) | run_settings.sent(preset.values)
    return redirect(report_page.address([*choice.query(), *settings.items(), ("preset", str(preset.pk))]))


def _delete_preset(request: SignedInRequest, choice: Choice, form: RunForm, _: str) -> HttpResponse:
    preset = presets.find(choice.project_id, request.POST.get("preset", ""))
    if preset is not None:
        preset.delete()
        messages.info(request, f"Deleted the preset “{preset.name}”.")
    return redirect(report_page.address(_with_settings(request, choice)))


_ACTIONS: dict[str, Callable[[SignedInRequest, Choice, RunForm, str], HttpResponse]] = {
    "start": _start,
    "check": _check,
    "regroup": _regroup,
    "remove": _remove,
    "add": _add,
    "save-preset": _save_preset,
    "use-preset": _use_preset,
    "delete-preset": _delete_preset,
}
