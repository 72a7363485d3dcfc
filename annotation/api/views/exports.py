"""Exports: request, list, poll, download."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken
from annotation.api import conditional, openapi
from annotation.api.access import caller, projects, require
from annotation.api.addresses import address
from annotation.api.pagination import Pages
from annotation.api.problems import Problem, invalid_field
from annotation.api.serializers.exports import ExportInputSerializer, ExportSerializer
from annotation.api.views.base import View, idempotent
from annotation.api.views.jobs import job_or_404
from annotation.exports.actions import CannotExport, request_export
from annotation.exports.download import NotThere, download
from annotation.exports.models import Export, ExportQuerySet
from annotation.exports.selection import filter_text

POLL_AFTER_S = "2"


def visible_exports(request: Request) -> ExportQuerySet:
    return Export.objects.in_projects(projects(request)).select_related("job__project", "requested_by")


def export_or_404(request: Request, export_id: UUID) -> Export:
    return get_object_or_404(visible_exports(request), public_id=export_id)


class JobExportsView(View):
    # An export changes nothing and shows only what its reader may see.
    write_scope = ApiToken.Scope.READ

    @extend_schema(
        operation_id="list_exports",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ExportSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """List the exports of a job, newest first."""
        exports = visible_exports(request).filter(job=job_or_404(request, job_id))
        pages = Pages(("-id",))
        rows = pages.rows(exports, request)
        return pages.answer(ExportSerializer(rows, many=True, context={"request": request}).data)

    @extend_schema(
        operation_id="create_export",
        parameters=[openapi.idempotency_key(required=True)],
        request={"application/json": ExportInputSerializer},
        responses={202: openapi.accepted(ExportSerializer), **openapi.WRITE_PROBLEMS},
    )
    @idempotent(required=True)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Request a file with the results of a job.

        The server builds it apart from the annotation. Poll the export until its state is `ready`.
        """
        job = job_or_404(request, job_id)
        require(request, job.project, ApiToken.Scope.READ)
        form = ExportInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(form.validated_data)
        try:
            export = request_export(
                job=job,
                user=caller(request),
                format=values["format"],
                filter_query=filter_text(QueryDict(values["filter"])),
                top=values["top"],
            )
        except CannotExport as refusal:
            raise invalid_field(refusal.field, refusal.reason) from None
        headers = {
            "Location": address(request, "api:export", export.public_id),
            "Retry-After": POLL_AFTER_S,
        }
        return Response(_json(request, export), status=202, headers=headers)


class ExportView(View):
    @extend_schema(
        operation_id="get_export",
        parameters=[openapi.FIELDS, openapi.TAG],
        responses={200: ExportSerializer, 304: None, **openapi.PROBLEMS},
    )
    def get(self, request: Request, export_id: UUID) -> Response:
        """Show an export. Until it is built, Retry-After states when to poll again."""
        export = export_or_404(request, export_id)
        headers = {"ETag": conditional.tag_of_export(export)}
        if conditional.is_unchanged(request, headers["ETag"]):
            return Response(status=304, headers=headers)
        if export.is_open:
            headers["Retry-After"] = POLL_AFTER_S
        return Response(_json(request, export), headers=headers)


class AnyAccept(BaseContentNegotiation):
    """The file has one representation, whatever the client says that it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ExportFileView(View):
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="get_export_file",
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            **openapi.PROBLEMS,
            **openapi.FILE_PROBLEMS,
        },
    )
    def get(self, request: Request, export_id: UUID) -> HttpResponseBase:
        """Download the file of an export. `Repr-Digest` is its SHA-256."""
        export = export_or_404(request, export_id)
        try:
            return download(export)
        except NotThere as reason:
            if export.is_open:
                raise Problem(409, str(reason), headers={"Retry-After": POLL_AFTER_S}) from None
            raise Problem(410, str(reason)) from None


def _json(request: Request, export: Export) -> dict[str, Any]:
    return dict(ExportSerializer(export, context={"request": request}).data)
