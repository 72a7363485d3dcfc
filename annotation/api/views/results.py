"""Results: one row for each feature, as pages and as CSV; annotations in detail; verdicts on them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken
from annotation.api import conditional, openapi
from annotation.api.access import caller, projects, require
from annotation.api.pagination import Pages
from annotation.api.problems import Problem, invalid_field
from annotation.api.result_filter import FILTER_PARAMETERS, refused, requested_filter
from annotation.api.serializers.jobs import CsvFilters, ResultFilters
from annotation.api.serializers.results import (
    AnnotationDetail,
    AnnotationDetailSerializer,
    CandidateSerializer,
    ResultSerializer,
    SpectrumDetail,
    VerdictDetail,
    VerdictDetailSerializer,
    VerdictInputSerializer,
    VerdictSerializer,
)
from annotation.api.views.base import View, idempotent
from annotation.api.views.jobs import job_or_404
from annotation.exports.table import csv_download
from annotation.jobs.models import Job
from annotation.results.load import candidate_view, items_with_results, load_results
from annotation.results.members import load_members
from annotation.results.models import Annotation, Candidate
from annotation.results.reference_matches import matches_of
from annotation.results.view_fields import as_dict, from_row
from annotation.review.actions import InvalidVerdict, StaleReview, decide
from annotation.review.models import Verdict
from annotation.review.reviewed_results import reviewed_results, verdict_view
from annotation.tables.filter_form import InvalidFilter
from annotation.tables.matching import condition

# A machine that records verdicts must see what it decides on, and the ETag that it has to send.
RESULT_SCOPES = frozenset({ApiToken.Scope.READ, ApiToken.Scope.REVIEW})


class ResultsView(View):
    read_scopes = RESULT_SCOPES

    @extend_schema(
        operation_id="list_results",
        parameters=[ResultFilters, *FILTER_PARAMETERS, *openapi.PAGE],
        responses={200: openapi.page_of(ResultSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """List the features of a job, each with its best candidates or the reason why it has none.

        The filter has the parameters of the job's page.
        """
        filters = ResultFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        job = job_or_404(request, job_id)
        items = items_with_results(job).filter(_condition(request, job))
        pages = Pages(("position",))
        rows = reviewed_results(job, pages.rows(items, request), top=filters.validated_data["top"])
        return pages.answer(ResultSerializer(rows, many=True, context={"request": request}).data)


class Csv(JSONRenderer):
    """For content negotiation only: the rows are streamed past it, and it renders problems as JSON."""

    media_type = "text/csv"
    format = "csv"


class CsvView(View):
    renderer_classes = (Csv, JSONRenderer)

    @extend_schema(
        operation_id="get_results_csv",
        parameters=[CsvFilters, *FILTER_PARAMETERS, OpenApiParameter("format", exclude=True)],
        responses={(200, "text/csv"): OpenApiTypes.STR, **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Download a job as CSV, with a row for each feature and rank. The filter is that of the job's page.

        Failed features have a row with the reason.
        """
        filters = CsvFilters(data=request.query_params)
        filters.is_valid(raise_exception=True)
        job, chosen = job_or_404(request, job_id), requested_filter(request)
        try:
            return csv_download(job, top=filters.validated_data["top"], chosen=chosen)
        except InvalidFilter as invalid:
            raise refused(invalid) from None


def _condition(request: Request, job: Job) -> Q:
    """The filter of the address. Raises ValidationError (422)."""
    chosen = requested_filter(request)
    try:
        return condition(chosen, job)
    except InvalidFilter as invalid:
        raise refused(invalid) from None


def visible_annotations(request: Request) -> QuerySet[Annotation]:
    return Annotation.objects.in_projects(projects(request)).select_related(
        "item__feature",
        "spectrum__upload",
        "job__project",
        "job__submitted_by",
        "job__model_version",
        "job__library_version__library",
        "job__reference_version__collection",
    )


def etag(annotation: Annotation, latest: Verdict | None) -> str:
    """Changes with each verdict. Nothing else about an annotation ever changes."""
    return f'"{annotation.public_id.hex}.{latest.pk if latest else 0}"'


class AnnotationDetailView(View):
    read_scopes = RESULT_SCOPES

    @extend_schema(
        operation_id="get_annotation",
        parameters=[openapi.FIELDS, openapi.ETAG],
        responses={200: AnnotationDetailSerializer, 304: None, **openapi.PROBLEMS},
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        """Show an annotation in detail.

        With its spectrum, candidates, generated molecules, reference matches, provenance and verdicts.
        """
        annotation = get_object_or_404(visible_annotations(request), public_id=public_id)
        verdicts = list(Verdict.objects.filter(annotation=annotation).with_decision().order_by("pk"))
        tag = etag(annotation, verdicts[-1] if verdicts else None)
        if conditional.is_unchanged(request, tag):
            return Response(status=304, headers={"ETag": tag})
        detail = _detail(annotation, verdicts)
        data = AnnotationDetailSerializer(detail, context={"request": request}).data
        return Response(data, headers={"ETag": tag})


def _detail(annotation: Annotation, verdicts: list[Verdict]) -> AnnotationDetail:
    """Six queries at most. `verdicts` are all of the annotation, oldest first."""
    latest = {annotation.pk: verdict_view(verdicts[-1])} if verdicts else {}
    item, spectrum = annotation.item, annotation.spectrum
    item.spectrum = spectrum  # already loaded
    (result,) = load_results(annotation.job, [item], all_generated=True, verdicts=latest)
    assert result.annotation is not None  # the item has one
    return AnnotationDetail(
        **as_dict(result.annotation),
        job=result.job,
        feature=result.feature,
        members=load_members(annotation),
        spectrum=from_row(SpectrumDetail, spectrum, peaks=spectrum.peaks),
        reference_matches=tuple(matches_of(annotation)),
        verdicts=tuple(from_row(VerdictDetail, verdict) for verdict in verdicts),
        sample=result.sample,
    )


class CandidateDetailView(View):
    read_scopes = RESULT_SCOPES

    @extend_schema(
        operation_id="get_candidate",
        parameters=[openapi.FIELDS],
        responses={200: CandidateSerializer, **openapi.PROBLEMS},
    )
    def get(self, request: Request, public_id: UUID, inchikey_first_block: str) -> Response:
        """Show one candidate of an annotation by its molecule.

        The address stays valid in every list that contains the molecule, whatever its rank.
        """
        annotation = get_object_or_404(visible_annotations(request), public_id=public_id)
        candidate = candidate_view(annotation, inchikey_first_block)
        if candidate is None:
            raise Http404
        return Response(CandidateSerializer(candidate, context={"request": request}).data)


class VerdictsView(View):
    write_scope = ApiToken.Scope.REVIEW

    @extend_schema(
        operation_id="create_verdict",
        parameters=[openapi.IF_MATCH, openapi.idempotency_key(required=False), openapi.ETAG],
        request=VerdictInputSerializer,
        responses={201: VerdictDetailSerializer, **openapi.REVIEW_PROBLEMS},
    )
    @idempotent(required=False)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Add a verdict to an annotation.

        Verdicts are never overwritten. If another was added after you looked, yours is refused with 412.
        """
        annotation = get_object_or_404(visible_annotations(request), public_id=public_id)
        require(request, annotation.job.project, ApiToken.Scope.REVIEW)
        seen = _seen_verdict(request, annotation)
        form = VerdictInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        verdict = _decide(request, annotation, seen, dict(form.validated_data))
        data = VerdictDetailSerializer(from_row(VerdictDetail, verdict)).data
        return Response(data, status=201, headers={"ETag": etag(annotation, verdict)})


def _decide(
    request: Request, annotation: Annotation, seen: Verdict | None, values: dict[str, Any]
) -> Verdict:
    candidate = _candidate(annotation, values.pop("candidate_rank"))
    try:
        return decide(
            annotation=annotation,
            user=caller(request),
            candidate=candidate,
            seen_verdict_id=seen.pk if seen else None,
            **values,
        )
    except StaleReview as stale:
        raise _stale(str(stale), stale.current) from None
    except InvalidVerdict as invalid:
        raise _invalid(invalid) from None


def _seen_verdict(request: Request, annotation: Annotation) -> Verdict | None:
    """The latest verdict, if If-Match names it. Raises 428 without the header, 412 if it names another."""
    header = request.headers.get("If-Match", "")
    if not header.strip():
        detail = "Send If-Match with the annotation's ETag. It shows that you saw the latest verdict."
        raise Problem(428, detail)
    latest = Verdict.objects.latest_of([annotation.pk]).get(annotation.pk)
    if etag(annotation, latest) not in conditional.tags(header):
        raise _stale("The annotation has changed since you looked. Look again, then decide.", latest)
    return latest


def _candidate(annotation: Annotation, rank: int | None) -> Candidate | None:
    if rank is None:
        return None
    candidate = annotation.candidates.filter(rank=rank).first()
    if candidate is None:
        detail = f"The annotation has no candidate of rank {rank}; it has {annotation.n_candidates}."
        raise invalid_field("candidate_rank", detail)
    return candidate


def _stale(detail: str, current: Verdict | None) -> Problem:
    shown = VerdictSerializer(verdict_view(current)).data if current else None
    return Problem(412, detail, extra={"current": shown})


def _invalid(invalid: InvalidVerdict) -> Problem:
    names = {"candidate": "candidate_rank"}
    errors = [
        {"pointer": f"/{names.get(field, field)}", "detail": text} for field, text in invalid.errors.items()
    ]
    return Problem(422, "The verdict is invalid. `errors` points to each mistake.", errors=errors)
