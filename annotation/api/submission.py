"""From a request to a job: check, store the spectra, submit; or report without storing.

Spectra in a JSON body go the way of a JSON file, so that both are read, bounded and reported alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.files import File
from django.core.files.base import ContentFile
from rest_framework.request import Request

from annotation.accounts.models import Project
from annotation.api.access import caller, libraries, project_to_submit_to
from annotation.api.addresses import address
from annotation.api.problems import Problem
from annotation.api.serializers.jobs import JobFileInputSerializer, JobInputSerializer
from annotation.api.serializers.uploads import ReportSerializer
from annotation.checkpoints.models import ModelVersion
from annotation.jobs import actions
from annotation.jobs.models import Job
from annotation.libraries.models import LibraryVersion
from annotation.references import choice
from annotation.references.models import ReferenceVersion
from annotation.spectra import ingest
from annotation.spectra.models import SpectrumIssue, Upload
from models_ml.outcomes import AnnotateParams
from models_ml.spectra.formats.items import SpectrumIssue as FoundIssue

Issue = SpectrumIssue | FoundIssue  # as stored, or as just found

NO_REFERENCES = "none"
JSON_NAME = "spectra.json"
ISSUES_SHOWN = 1000
COUNTS = ("found", "ms2", "usable", "repaired", "rejected", "skipped")
# Which field of a spectrum in a JSON body a reader's complaint is about.
FIELDS = {
    "no_peaks": "/peaks",
    "bad_peak": "/peaks",
    "unequal_arrays": "/peaks",
    "too_many_peaks": "/peaks",
    "no_precursor": "/precursor_mz",
    "bad_precursor": "/precursor_mz",
    "unknown_adduct": "/adduct",
    "unknown_charge": "/charge",
}


class NothingUsable(Problem):
    """No spectrum of the submission can be annotated. The upload stays on record, with its report."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood."""

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

    @property
    def file_name(self) -> str:
        return self.source.name or "spectra"


def submit(request: Request) -> tuple[Job, Upload]:
    """The new job and the upload of its spectra. Raises `Problem`."""
    asked = understand(request)
    project = project_to_submit_to(request, asked.project)
    version, model = library_version(request, asked), model_version(asked)
    references = reference_version(project, asked)
    upload = ingest.store_upload(project, caller(request), asked.source, asked.file_name)
    if upload.state == Upload.State.REFUSED or not upload.n_usable:
        raise unusable(request, upload)
    try:
        job = actions.submit(
            project=project,
            user=caller(request),
            name=asked.name or asked.external_id or asked.file_name,
            spectra=upload.spectra.order_by("source_index"),
            library_version=version,
            model_version=model,
            reference_version=references,
            params=asked.params,
            external_id=asked.external_id,
        )
    except actions.CannotSubmit as refusal:
        raise fault(refusal.field, refusal.reason) from None
    return job, upload


def dry_run(request: Request) -> dict[str, Any]:
    """The pre-flight report; nothing is stored. Raises `Problem`."""
    asked = understand(request)
    project = project_to_submit_to(request, asked.project)
    library_version(request, asked)
    reference_version(project, asked)
    model_version(asked)
    found = ingest.preflight(asked.source, asked.file_name)
    if found.refusal:
        raise fault("file", found.refusal)
    counts = {f"n_{name}": getattr(found, name) for name in COUNTS}
    issues = pointed(((issue.index, issue) for issue in found.issues), found.format)
    return dict(ReportSerializer({"format": found.format, "issues": issues[:ISSUES_SHOWN], **counts}).data)


def report_of(upload: Upload) -> dict[str, Any]:
    """The same report, of what was stored."""
    counts = {f"n_{name}": getattr(upload, f"n_{name}") for name in COUNTS}
    rows = upload.issues.order_by("source_index", "pk")[:ISSUES_SHOWN]
    issues = pointed(((issue.source_index, issue) for issue in rows), upload.format)
    return {"format": upload.format, "issues": issues, **counts}


def understand(request: Request) -> Asked:
    multipart = (request.content_type or "").startswith("multipart/")
    form = JobFileInputSerializer(data=request.data) if multipart else JobInputSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    data = dict(form.validated_data)
    params = AnnotateParams(**data.pop("params"))
    source = data.pop("file") if multipart else _as_file(data.pop("spectra"))
    return Asked(source=source, params=params, **data)


def _as_file(spectra: list[Any]) -> File[Any]:
    return ContentFile(json.dumps({"spectra": spectra}).encode(), name=JSON_NAME)


def library_version(request: Request, asked: Asked) -> LibraryVersion:
    """The pinned version, or the newest ready one."""
    library = libraries(request).filter(name=asked.library).first()
    if library is None:
        raise fault("library", f"No library {asked.library!r} here. GET /api/v1/libraries lists yours.")
    versions = library.versions.select_related("library").order_by("-number")
    if asked.library_version is None:
        version = versions.filter(state=LibraryVersion.State.READY).first()
        if version is None:
            raise fault("library", f"Library {library} has no ready version. Wait for its import to end.")
        return version
    version = versions.filter(number=asked.library_version).first()
    if version is None:
        raise fault("library_version", f"Library {library} has no version {asked.library_version}.")
    return version


def reference_version(project: Project, asked: Asked) -> ReferenceVersion | None:
    """The one asked for; the newest ready one if none is named; None for `none`."""
    if asked.references_version is not None and asked.references in ("", NO_REFERENCES):
        raise fault("references_version", "Name the collection that this is a version of, in `references`.")
    if asked.references == NO_REFERENCES:
        return None
    if not asked.references:
        return choice.default_version(project)
    collection = choice.usable(project).filter(name=asked.references).first()
    if collection is None:
        names = ", ".join(choice.usable(project).values_list("name", flat=True)[:20])
        raise fault("references", f"No collection {asked.references!r} here. There is: {names or 'none'}.")
    if asked.references_version is None:
        version = choice.newest_ready(collection)
        if version is None:
            raise fault("references", f"Collection {collection} has no ready version.")
        return version
    version = collection.versions.filter(number=asked.references_version).first()
    if version is None:
        raise fault(
            "references_version", f"Collection {collection} has no version {asked.references_version}."
        )
    return version


def model_version(asked: Asked) -> ModelVersion:
    """By name or by the beginning of the checkpoint's SHA-256; the default model if none is named."""
    if not asked.model:
        model = ModelVersion.objects.filter(is_default=True).first()
        if model is None:
            raise fault("model", "The server has no default model. Ask its administrator to register one.")
        return model
    by_name = ModelVersion.objects.filter(name=asked.model)
    by_hash = ModelVersion.objects.filter(checkpoint_sha256__startswith=asked.model.lower())
    matches = list((by_name | by_hash)[:2])
    if not matches:
        raise fault("model", f"No model {asked.model!r}. GET /api/v1/models lists all.")
    if len(matches) > 1:
        raise fault("model", f"Several models match {asked.model!r}. Name one by its checkpoint_sha256.")
    return matches[0]


def unusable(request: Request, upload: Upload) -> NothingUsable:
    detail = upload.refusal or "None of the spectra can be annotated; `errors` says why, for each."
    errors = [
        {
            "pointer": issue["pointer"] or "/file",
            "detail": f"{issue['position']}: {issue['detail']} {issue['remedy']}",
        }
        for issue in report_of(upload)["issues"]
    ]
    extra = {"upload": address(request, "api:upload", upload.pk)}
    return NothingUsable(422, detail, code="nothing-usable", errors=errors, extra=extra)


def fault(field: str, reason: str) -> Problem:
    return Problem(422, reason, errors=[{"pointer": f"/{field}", "detail": reason}])


def pointed(issues: Iterable[tuple[int, Issue]], file_format: str) -> list[dict[str, str]]:
    """Issues as the interface shows them; in a JSON body, with the pointer of the field concerned."""
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
        }
        for index, issue in issues
    ]
