"""Results: one row a spectrum, as pages and as CSV; a whole annotation; verdicts on it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken
from annotation.api import openapi
from annotation.api.access import caller, projects, require
from annotation.api.pagination import Pages
from annotation.api.problems import Problem
from annotation.api.serializers.jobs import CsvFilters, ResultFilters
from annotation.api.serializers.results import (
    AnnotationWhole,
    ResultShape,
    VerdictRequest,
    VerdictShape,
    VerdictWithList,
)
from annotation.api.views.base import View, idempotent
from annotation.api.views.jobs import job_or_404
from annotation.exports.table import csv_name, stream_csv
from annotation.jobs.models import JobItem
from annotation.results.compound_names import compound_names
from annotation.results.models import Annotation, Candidate
from annotation.results.proposed import proposed_smiles
from annotation.results.reference_matches import matches_of
from annotation.review.actions import InvalidVerdict, StaleReview, decide, latest_verdicts
from annotation.review.models import Verdict


class ResultsView(View):
    @extend_schema(
        operation_id="list_results",
        parameters=[ResultFilters, *openapi.PAGE],
        responses={200: openapi.page_of(ResultShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """Every spectrum of the job in its order, with its best candidates or the reason why it has none."""
        filters = ResultFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        job = job_or_404(request, job_id)
        items = JobItem.objects.filter(job=job).select_related("spectrum", "annotation")
        items = items.defer("spectrum__mz_bytes", "spectrum__intensity_bytes", "spectrum__metadata")
        if "state" in filters.validated_data:
            items = items.filter(state=filters.validated_data["state"])
        pages = Pages(("position",))
        rows = pages.paginate_queryset(items, request, view=self) or []
        _complete(rows, job.library_version_id, filters.validated_data["top"])
        return pages.answer(ResultShape(rows, many=True, context={"request": request}).data)


def _complete(items: Sequence[JobItem], version_id: int, top: int) -> None:
    """Give each item its annotation with candidates, names, proposals and verdict. Four queries for all."""
    found = {item.annotation.pk: item.annotation for item in items if hasattr(item, "annotation")}
    candidates = list(
        Candidate.objects.filter(annotation_id__in=found, rank__lte=top)
        .select_related("molecule")
        .order_by("annotation_id", "rank")
    )
    _name(candidates, version_id)
    of_annotation: dict[int, list[Candidate]] = {pk: [] for pk in found}
    for candidate in candidates:
        of_annotation[candidate.annotation_id].append(candidate)
    verdicts, proposed = latest_verdicts(list(found)), proposed_smiles(list(found))
    for item in items:
        annotation = getattr(item, "annotation", None)
        item.found = annotation  # type: ignore[attr-defined]  # what ResultShape reads
        if annotation is not None:
            annotation.shown_candidates = of_annotation[annotation.pk]
            annotation.proposed_smiles = proposed.get(annotation.pk, ())
            annotation.latest_verdict = verdicts.get(annotation.pk)


def _name(candidates: Sequence[Candidate], version_id: int) -> None:
    names = compound_names(version_id, [candidate.molecule_id for candidate in candidates])
    for candidate in candidates:
        candidate.name = names.get(candidate.molecule_id, "")  # type: ignore[attr-defined]


class Csv(JSONRenderer):
    """For content negotiation: the rows are streamed past it, and it renders problems alone, as JSON."""

    media_type = "text/csv"
    format = "csv"


class CsvView(View):
    renderer_classes = (Csv, JSONRenderer)

    @extend_schema(
        operation_id="get_results_csv",
        parameters=[CsvFilters],
        responses={(200, "text/csv"): OpenApiTypes.STR, **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """The job as CSV: a row for each spectrum and rank, failed spectra with their reason included."""
        filters = CsvFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        job = job_or_404(request, job_id)
        lines = stream_csv(job, top=filters.validated_data["top"])
        headers = {"Content-Disposition": f'attachment; filename="{csv_name(job)}"'}
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def visible_annotations(request: Request) -> QuerySet[Annotation]:
    return Annotation.objects.filter(job__project__in=projects(request)).select_related(
        "spectrum",
        "job__project",
        "job__submitted_by",
        "job__model_version",
        "job__library_version__library",
        "job__reference_version__collection",
    )


def etag(annotation: Annotation, latest: Verdict | None) -> str:
    """Changes with each verdict; nothing else about an annotation ever changes."""
    return f'"{annotation.public_id.hex}.{latest.pk if latest else 0}"'


class AnnotationView(View):
    @extend_schema(
        operation_id="get_annotation",
        parameters=[openapi.ETAG],
        responses={200: AnnotationWhole, 304: None, **openapi.PROBLEMS},
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        """All about an annotation: spectrum, candidates, written molecules, matches, provenance, verdicts."""
        verdicts = Verdict.objects.select_related("decided_by", "candidate__molecule").order_by("pk")
        annotation = get_object_or_404(
            visible_annotations(request).prefetch_related(
                "generated", Prefetch("verdicts", verdicts, to_attr="all_verdicts")
            ),
            public_id=public_id,
        )
        decided: list[Verdict] = annotation.all_verdicts  # type: ignore[attr-defined]  # of the prefetch
        annotation.latest_verdict = decided[-1] if decided else None  # type: ignore[attr-defined]
        tag = etag(annotation, decided[-1] if decided else None)
        if tag in _tags(request.headers.get("If-None-Match", "").replace("W/", "")):
            return Response(status=304, headers={"ETag": tag})
        candidates = list(annotation.candidates.select_related("molecule").order_by("rank"))
        _name(candidates, annotation.job.library_version_id)
        annotation.shown_candidates = candidates  # type: ignore[attr-defined]
        annotation.proposed_smiles = proposed_smiles([annotation.pk]).get(annotation.pk, ())  # type: ignore[attr-defined]
        annotation.reference_matches = matches_of(annotation)  # type: ignore[attr-defined]
        return Response(AnnotationWhole(annotation, context={"request": request}).data, headers={"ETag": tag})


class VerdictsView(View):
    write_scope = ApiToken.Scope.REVIEW

    @extend_schema(
        operation_id="decide",
        parameters=[
            OpenApiParameter(
                "If-Match",
                str,
                OpenApiParameter.HEADER,
                required=True,
                description="The ETag of the annotation as you saw it.",
            ),
            openapi.idempotency_key(required=False),
            openapi.ETAG,
        ],
        request=VerdictRequest,
        responses={201: VerdictWithList, **openapi.REVIEW_PROBLEMS},
    )
    @idempotent(required=False)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Add a verdict. None is ever overwritten: one that others gave in between refuses yours with 412."""
        annotation = get_object_or_404(visible_annotations(request), public_id=public_id)
        require(request, annotation.job.project, ApiToken.Scope.REVIEW)
        seen = _seen_verdict(request, annotation)
        form = VerdictRequest(data=request.data)
        form.is_valid(raise_exception=True)
        asked = dict(form.validated_data)
        candidate = _candidate(annotation, asked.pop("candidate_rank"))
        try:
            verdict = decide(
                annotation=annotation,
                user=caller(request),
                candidate=candidate,
                seen_verdict_id=seen.pk if seen else None,
                **asked,
            )
        except StaleReview as stale:
            raise _stale(str(stale), stale.current) from None
        except InvalidVerdict as invalid:
            raise _invalid(invalid) from None
        headers = {"ETag": etag(annotation, verdict)}
        return Response(VerdictWithList(verdict).data, status=201, headers=headers)


def _seen_verdict(request: Request, annotation: Annotation) -> Verdict | None:
    """The latest verdict, if If-Match names the annotation with it; 428 without the header, 412 otherwise."""
    header = request.headers.get("If-Match", "")
    if not header.strip():
        detail = "Send If-Match with the ETag of the annotation as you saw it, so that none is overwritten."
        raise Problem(428, detail)
    latest = latest_verdicts([annotation.pk]).get(annotation.pk)
    if etag(annotation, latest) not in _tags(header):
        raise _stale("The annotation has changed since you looked. Look again, then decide.", latest)
    return latest


def _tags(header: str) -> set[str]:
    return {tag.strip() for tag in header.split(",")}


def _candidate(annotation: Annotation, rank: int | None) -> Candidate | None:
    if rank is None:
        return None
    candidate = annotation.candidates.filter(rank=rank).first()
    if candidate is None:
        detail = f"The annotation has no candidate of rank {rank}; it has {annotation.n_candidates}."
        raise Problem(422, detail, errors=[{"pointer": "/candidate_rank", "detail": detail}])
    return candidate


def _stale(detail: str, current: Verdict | None) -> Problem:
    return Problem(412, detail, extra={"current": VerdictShape(current).data if current else None})


def _invalid(invalid: InvalidVerdict) -> Problem:
    names = {"candidate": "candidate_rank"}
    errors = [
        {"pointer": f"/{names.get(field, field)}", "detail": text} for field, text in invalid.errors.items()
    ]
    return Problem(422, "The verdict cannot be recorded as it stands.", errors=errors)
