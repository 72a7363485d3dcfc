"""From a request to a job: check it, store the spectra, submit; or only report, for a dry run.

Spectra in a JSON body take the same path as a JSON file, so that both are read, limited and reported alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.files import File
from django.core.files.base import ContentFile
from rest_framework.request import Request

from annotation.accounts.models import Project
from annotation.api.access import caller, project_to_submit_to
from annotation.api.addresses import address
from annotation.api.problems import Problem, invalid_field
from annotation.api.serializers.submissions import (
    AnnotateInputSerializer,
    JobFileInputSerializer,
    JobInputSerializer,
)
from annotation.api.serializers.uploads import ReportSerializer
from annotation.checkpoints.models import ModelVersion
from annotation.jobs import actions, preflight, selection
from annotation.jobs.models import Job
from annotation.libraries.models import LibraryVersion
from annotation.references.models import ReferenceVersion
from annotation.spectra import ingest, readers, removal
from annotation.spectra.issues import IssueLine
from annotation.spectra.models import SpectrumIssue, Upload
from models_ml.outcomes import AnnotateParams

Issue = SpectrumIssue | IssueLine  # as stored, or as just found

JSON_NAME = "spectra.json"
MAX_ISSUES = 1000
# The field of a spectrum in a JSON body that each issue of the reader is about.
FIELDS = {
    "no_peaks": "/peaks",
    "bad_peak": "/peaks",
    "unequal_arrays": "/peaks",
    "too_many_peaks": "/peaks",
    "several_peak_lists": "/peaks",
    "no_precursor": "/precursor_mz",
    "bad_precursor": "/precursor_mz",
    "several_precursors": "/precursor_mz",
    "unknown_adduct": "/adduct",
    "several_adducts": "/adduct",
    "structure_mismatch": "/smiles",
    "unknown_charge": "/charge",
}
# Where a client finds what it can use.
LISTS = {
    "library": "/api/v1/libraries",
    "library_version": "/api/v1/libraries",
    "references": "/api/v1/references",
    "references_version": "/api/v1/references",
    "model": "/api/v1/models",
}


class NothingUsable(Problem):
    """No spectrum of the submission can be annotated. The upload and its report are kept."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A valid request to submit a job. Names are not looked up yet."""

    grouping: Upload.Grouping
    name: str
    external_id: str
    project: str
    library: str
    library_version: int | None
    references: str
    references_version: int | None
    model: str
    params: AnnotateParams
    source: File[Any]
    sample: str
    priority: Job.Priority
    repeats: UUID | None
    unique_external_id: bool
    quantities: File[Any] | None = None

    @property
    def file_name(self) -> str:
        return self.source.name or "spectra"


@dataclass(frozen=True, slots=True)
class Selected:
    """The records that a submission names."""

    project: Project
    library_version: LibraryVersion
    reference_version: ReferenceVersion | None
    model_version: ModelVersion
    repeats: Job | None


def submit(request: Request, submission: Submission | None = None) -> tuple[Job, Upload]:
    """The new job and the upload of its spectra. Raises `Problem`."""
    submission = submission or parse(request)
    selected = select(request, submission)
    user = caller(request)
    with turn_to_read(request):
        upload = ingest.store_upload(
            selected.project,
            user,
            submission.source,
            submission.file_name,
            submission.grouping,
            submission.quantities,
            submission.sample,
        )
    if upload.state == Upload.State.REFUSED or not upload.n_usable:
        raise unusable(request, removal.earlier_refusal(upload), submission.params)
    with refusals_as_problems(request):
        job = actions.submit(
            project=selected.project,
            user=user,
            name=submission.name or submission.external_id or submission.file_name,
            features=upload.features.order_by("number"),
            library_version=selected.library_version,
            model_version=selected.model_version,
            reference_version=selected.reference_version,
            params=submission.params,
            external_id=submission.external_id,
            priority=submission.priority,
            repeats=selected.repeats,
            unique_external_id=submission.unique_external_id,
        )
    return job, upload


def dry_run(request: Request) -> dict[str, Any]:
    """The pre-flight report. Stores nothing. Raises `Problem`."""
    submission = parse(request)
    select(request, submission)
    with turn_to_read(request):
        found = ingest.preflight(submission.source, submission.grouping, submission.quantities)
    if found.refusal:
        raise invalid_field("file", found.refusal)
    counts = {f"n_{name}": getattr(found, name) for name in (*ingest.COUNTS, "features")}
    issues = pointed(((issue.index, issue) for issue in found.issues), found.format)
    summary = preflight.of_report(found, submission.params)
    report = {"format": found.format, "issues": issues[:MAX_ISSUES], "preflight": summary, **counts}
    return dict(ReportSerializer(report).data)


def report_of(upload: Upload, params: AnnotateParams) -> dict[str, Any]:
    """The report of a stored upload for a job with these parameters, as `dry_run` gives it. Two queries."""
    counts = {f"n_{name}": getattr(upload, f"n_{name}") for name in (*ingest.COUNTS, "features")}
    rows = upload.issues.order_by("source_index", "pk")[:MAX_ISSUES]
    issues = pointed(((issue.source_index, issue) for issue in rows), upload.format)
    summary = preflight.of_uploads([upload], upload.features.all(), params)
    return {"format": upload.format, "issues": issues, "preflight": summary, **counts}


def parse(request: Request) -> Submission:
    """The request's fields, validated. Raises ValidationError."""
    multipart = (request.content_type or "").startswith("multipart/")
    form = JobFileInputSerializer(data=request.data) if multipart else JobInputSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    data = dict(form.validated_data)
    params = AnnotateParams(**data.pop("params"))
    source = data.pop("file") if multipart else _as_file(data.pop("spectra"))
    grouping = Upload.Grouping(data.pop("grouping"))
    priority = Job.Priority[data.pop("priority").upper()]
    return Submission(source=source, params=params, grouping=grouping, priority=priority, **data)


def parse_single(request: Request) -> Submission:
    """The fields of a request for one spectrum, which goes before batches. Raises ValidationError."""
    form = AnnotateInputSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    data = dict(form.validated_data)
    return Submission(
        source=_as_file([data.pop("spectrum")]),
        params=AnnotateParams(**data.pop("params")),
        grouping=Upload.Grouping.OFF,
        priority=Job.Priority.INTERACTIVE,
        repeats=None,
        **data,
    )


def _as_file(spectra: list[Any]) -> File[Any]:
    return ContentFile(json.dumps({"spectra": spectra}).encode(), name=JSON_NAME)


def select(request: Request, submission: Submission) -> Selected:
    """Look up what the submission names, before anything is stored. Raises `Problem`."""
    project = project_to_submit_to(request, submission.project)
    with refusals_as_problems(request):
        return Selected(
            project=project,
            library_version=selection.select_library_version(
                project, submission.library, submission.library_version
            ),
            reference_version=selection.select_reference_version(
                project, submission.references, submission.references_version
            ),
            model_version=selection.select_model_version(submission.model),
            repeats=_job_to_repeat(project, submission.repeats),
        )


def _job_to_repeat(project: Project, job_id: UUID | None) -> Job | None:
    if job_id is None:
        return None
    job = Job.objects.in_projects(project).filter(public_id=job_id).first()
    if job is None:
        raise invalid_field("repeats", f"Project {project} has no job {job_id}. GET /api/v1/jobs lists all.")
    return job


@contextmanager
def refusals_as_problems(request: Request) -> Iterator[None]:
    """Turn a refusal of the selector or of `actions.submit` into a problem that points at the field."""
    try:
        yield
    except actions.ExternalIdTaken as taken:
        raise Problem(
            409,
            str(taken),
            code="external-id-taken",
            errors=[{"pointer": "/external_id", "detail": str(taken)}],
            extra={"job": address(request, "api:job", taken.job.public_id)},
        ) from None
    except selection.NotSelectable as refusal:
        raise invalid_field(
            refusal.field, f"{refusal.reason} GET {LISTS[refusal.field]} lists all."
        ) from None
    except actions.CannotSubmit as refusal:
        raise invalid_field(refusal.field, refusal.reason) from None


@contextmanager
def turn_to_read(request: Request) -> Iterator[None]:
    """Wait until a file of the caller may be read. Raises `Problem` if that takes too long."""
    try:
        with readers.turn(readers.person(caller(request))):
            yield
    except readers.Busy as busy:
        status, code = (429, "too-many-files") if busy.own else (503, "readers-busy")
        headers = {"Retry-After": str(readers.RETRY_AFTER_S)}
        raise Problem(status, str(busy), code=code, headers=headers) from None


def unusable(request: Request, upload: Upload, params: AnnotateParams) -> NothingUsable:
    detail = upload.refusal or "None of the spectra can be annotated. `errors` has the reason for each."
    errors = [
        {
            "pointer": issue["pointer"] or "/file",
            "detail": f"{issue['position']}: {issue['detail']} {issue['remedy']}",
        }
        for issue in report_of(upload, params)["issues"]
    ]
    extra = {"upload": address(request, "api:upload", upload.pk)}
    return NothingUsable(422, detail, code="nothing-usable", errors=errors, extra=extra)


def pointed(issues: Iterable[tuple[int, Issue]], file_format: str) -> list[dict[str, Any]]:
    """Issues as the interface shows them. For spectra in a JSON body, each points at its field."""
    in_body = file_format == "json"
    return [
        {
            "pointer": f"/spectra/{index}{FIELDS.get(issue.code, '')}" if in_body and index >= 0 else "",
            "position": issue.position,
            "severity": issue.severity,
            "code": issue.code,
            "detail": issue.reason,
            "remedy": issue.remedy,
            "title": issue.title,
            "n": issue.n,
        }
        for index, issue in issues
    ]
