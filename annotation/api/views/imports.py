"""Imports of libraries and of reference collections: request, list, poll, publish, discard."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import FileResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken, Project, Role
from annotation.api import openapi
from annotation.api.access import caller, collections, libraries, projects, require
from annotation.api.addresses import address
from annotation.api.pagination import Pages
from annotation.api.problems import Problem, invalid_field
from annotation.api.serializers.imports import (
    ImportInputSerializer,
    ImportOptions,
    ImportSerializer,
    VersionInputSerializer,
)
from annotation.api.views.base import View, idempotent
from annotation.api.views.exports import POLL_AFTER_S, AnyAccept
from annotation.api.views.parts import own_part, part_gone, wrong_offset
from annotation.imports import actions, ledger
from annotation.imports.models import VersionImport, VersionImportQuerySet
from annotation.spectra.partial import PartGone, WrongOffset

Kind = VersionImport.Kind
_KEY = openapi.idempotency_key(required=True)
_VERSION = {"multipart/form-data": VersionInputSerializer, "application/json": VersionInputSerializer}
_IMPORTED = {202: openapi.accepted(ImportSerializer), **openapi.WRITE_PROBLEMS}
_ONLY_ADMINISTRATORS = (
    "It is shared with all projects, so only an administrator may change it, signed in and not by a token."
)


# A machine that imports looks at the check of its files.
IMPORT_SCOPES = frozenset({ApiToken.Scope.READ, ApiToken.Scope.MANAGE})


class ImportsView(View):
    read_scopes = IMPORT_SCOPES
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="list_imports",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ImportSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the imports of your projects, newest first."""
        pages = Pages(("-id",))
        rows = pages.rows(visible_imports(request), request)
        return pages.answer(ImportSerializer(rows, many=True, context={"request": request}).data)

    @extend_schema(
        operation_id="create_import",
        parameters=[ImportOptions, _KEY],
        request={"multipart/form-data": ImportInputSerializer, "application/json": ImportInputSerializer},
        responses=_IMPORTED,
    )
    @idempotent(required=True)
    def post(self, request: Request) -> Response:
        """Send the file of a new library or collection, or of a new version of one.

        A worker checks it. Poll the import until its state is `checked`, `published` or `failed`.
        """
        if not projects(request, Role.MANAGER).exists():
            raise Problem(403, "This needs the role manager in a project. Ask a manager of the project.")
        form = ImportInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(form.validated_data)
        project = _project(request, values.pop("project"))
        return _request_import(request, project, values)


class LibraryVersionsView(View):
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="create_library_version",
        parameters=[ImportOptions, _KEY],
        request=_VERSION,
        responses=_IMPORTED,
    )
    @idempotent(required=True)
    def post(self, request: Request, name: str) -> Response:
        """Send the file of a new version of a library."""
        library = get_object_or_404(libraries(request).select_related("project"), name=name)
        _require_owner(request, library.project)
        return _request_version(request, library.project, Kind.LIBRARY, name)


class ReferenceVersionsView(View):
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="create_reference_version",
        parameters=[ImportOptions, _KEY],
        request=_VERSION,
        responses=_IMPORTED,
    )
    @idempotent(required=True)
    def post(self, request: Request, name: str) -> Response:
        """Send the file of a new version of a collection of reference spectra."""
        collection = get_object_or_404(collections(request).select_related("project"), name=name)
        _require_owner(request, collection.project)
        return _request_version(request, collection.project, Kind.REFERENCES, name)


class ImportView(View):
    read_scopes = IMPORT_SCOPES
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(operation_id="get_import", responses={200: ImportSerializer, **openapi.PROBLEMS})
    def get(self, request: Request, import_id: UUID) -> Response:
        """Show the state and the report of an import.

        While a worker has to act, Retry-After states when to poll again.
        """
        row = import_or_404(request, import_id)
        headers = {"Retry-After": POLL_AFTER_S} if row.is_open else {}
        return Response(_json(request, row), headers=headers)

    @extend_schema(operation_id="discard_import", responses={204: None, **openapi.WRITE_PROBLEMS})
    def delete(self, request: Request, import_id: UUID) -> Response:
        """Give up an import that is not published, and delete its file."""
        row = import_or_404(request, import_id)
        _require_owner(request, row.project)
        try:
            actions.discard(row)
        except actions.CannotRequest as refusal:
            raise Problem(409, str(refusal), code="import-state") from None
        return Response(status=204)


class PublishView(View):
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="publish_import",
        parameters=[openapi.idempotency_key(required=False)],
        request=None,
        responses=_IMPORTED,
    )
    @idempotent(required=False)
    def post(self, request: Request, import_id: UUID) -> Response:
        """Publish a checked import as the next version."""
        row = import_or_404(request, import_id)
        _require_owner(request, row.project)
        try:
            actions.publish(row, caller(request))
        except actions.CannotRequest as refusal:
            raise Problem(409, str(refusal), code="import-state") from None
        return _accepted(request, import_or_404(request, import_id))


class RejectedView(View):
    read_scopes = IMPORT_SCOPES
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="get_import_rejected",
        responses={(200, "text/csv"): OpenApiTypes.STR, **openapi.PROBLEMS, **openapi.FILE_PROBLEMS},
    )
    def get(self, request: Request, import_id: UUID) -> HttpResponseBase:
        """Download every row or spectrum that the check rejected, with reason and remedy, as CSV."""
        row = import_or_404(request, import_id)
        if row.waits_for_check:
            headers = {"Retry-After": POLL_AFTER_S}
            raise Problem(409, "The file is not checked yet.", headers=headers)
        try:
            stream = ledger.rejected_of(row).open("rb")
        except FileNotFoundError:
            raise Problem(410, "The list was deleted after its time.") from None
        return FileResponse(stream, content_type="text/csv; charset=utf-8")


def visible_imports(request: Request) -> VersionImportQuerySet:
    is_token = isinstance(request.auth, ApiToken)
    rows = actions.visible(projects(request), is_administrator=caller(request).is_superuser and not is_token)
    return rows.select_related(
        "project", "requested_by", "published_by", "library_version", "reference_version"
    )


def import_or_404(request: Request, import_id: UUID) -> VersionImport:
    return get_object_or_404(visible_imports(request), public_id=import_id)


def _require_owner(request: Request, project: Project | None) -> None:
    """Raises a 403 Problem."""
    if project is not None:
        require(request, project, ApiToken.Scope.MANAGE)
    elif isinstance(request.auth, ApiToken) or not actions.may_import(caller(request), None):
        raise Problem(403, _ONLY_ADMINISTRATORS)


def _project(request: Request, slug: str) -> Project:
    """The named project, else the token's, or the only one that the caller manages."""
    if slug:
        project = projects(request).filter(slug=slug).first()
        if project is None:
            raise invalid_field("project", f"There is no project {slug!r} that you can see.")
        require(request, project, ApiToken.Scope.MANAGE)
        return project
    choices = list(projects(request, Role.MANAGER)[:2])
    if len(choices) > 1:
        raise invalid_field(
            "project", "You manage several projects. Name one of them by its slug in `project`."
        )
    return choices[0]


def _request_version(request: Request, project: Project | None, kind: Kind, name: str) -> Response:
    form = VersionInputSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    return _request_import(request, project, {**form.validated_data, "kind": kind, "name": name})


def _request_import(request: Request, project: Project | None, values: dict[str, Any]) -> Response:
    options = ImportOptions(data=request.query_params)
    options.is_valid(raise_exception=True)
    file, part_id = values.pop("file", None), values.pop("part", None)
    part = own_part(request, part_id) if part_id else None
    try:
        row = actions.request_import(
            project=project,
            user=caller(request),
            store=actions.from_part(part) if part else actions.from_file(file),
            file_name=part.file_name if part else file.name,
            publish_at_once=not options.validated_data["dry_run"],
            **values,
        )
    except actions.CannotRequest as refusal:
        raise invalid_field(refusal.field, refusal.reason) from None
    except WrongOffset as wrong:
        raise wrong_offset(wrong) from None
    except PartGone:
        raise part_gone() from None
    return _accepted(request, row)


def _accepted(request: Request, row: VersionImport) -> Response:
    headers = {"Location": address(request, "api:import", row.public_id), "Retry-After": POLL_AFTER_S}
    return Response(_json(request, row), status=202, headers=headers)


def _json(request: Request, row: VersionImport) -> dict[str, Any]:
    return dict(ImportSerializer(row, context={"request": request}).data)
