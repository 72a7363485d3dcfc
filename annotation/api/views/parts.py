"""Send a large file in parts that can be resumed: announce it, append bytes, ask where to continue."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken, Role
from annotation.api import openapi
from annotation.api.access import caller, project_to_submit_to, projects, require, sees_only_own
from annotation.api.problems import Problem
from annotation.api.serializers.parts import PartialFileInputSerializer, PartialFileSerializer, PartOptions
from annotation.api.views.base import View
from annotation.spectra import partial
from annotation.spectra.models import PartialUpload

# A part is of a file of spectra, or of a library.
PART_SCOPES = frozenset({ApiToken.Scope.SUBMIT, ApiToken.Scope.MANAGE})


class PartsView(View):
    write_scopes = PART_SCOPES

    @extend_schema(
        operation_id="begin_part",
        request={"application/json": PartialFileInputSerializer},
        responses={201: PartialFileSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Announce a file. Then send its bytes to the address in `url`, in as many requests as you like."""
        if not projects(request, Role.SUBMITTER).exists():
            raise Problem(403, "This needs the role submitter in a project. Ask a manager of the project.")
        form = PartialFileInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        project = project_to_submit_to(request, values["project"])
        try:
            part = partial.begin(project, caller(request), values["file_name"], values["size_bytes"])
        except partial.CannotStore as refusal:
            raise Problem(413, str(refusal)) from None
        body = _json(request, part)
        return Response(body, status=201, headers={"Location": body["url"]})


class PartView(View):
    read_scopes = PART_SCOPES | {ApiToken.Scope.READ}
    write_scopes = PART_SCOPES

    @extend_schema(operation_id="get_part", responses={200: PartialFileSerializer, **openapi.PROBLEMS})
    def get(self, request: Request, part_id: UUID) -> Response:
        """Show how many bytes of a file have arrived."""
        return Response(_json(request, part_or_404(request, part_id)))

    @extend_schema(
        operation_id="append_part",
        parameters=[PartOptions],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: PartialFileSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request, part_id: UUID) -> Response:
        """Append the bytes of the body. With a wrong `offset`, the answer is 409 and has the right one."""
        part = own_part(request, part_id)
        options = PartOptions(data=request.query_params)
        options.is_valid(raise_exception=True)
        try:
            partial.append(
                part, options.validated_data["offset"], request._request
            )  # as it streams in, without a parser
        except partial.WrongOffset as wrong:
            raise wrong_offset(wrong) from None
        except partial.PartGone:
            raise part_gone() from None
        except partial.CannotStore as refusal:
            raise Problem(413, str(refusal)) from None
        return Response(_json(request, part))

    @extend_schema(operation_id="discard_part", responses={204: None, **openapi.PROBLEMS})
    def delete(self, request: Request, part_id: UUID) -> Response:
        """Give up a file, and delete its bytes."""
        partial.discard(own_part(request, part_id))
        return Response(status=204)


def part_gone() -> Problem:
    return Problem(404, "Another request used or removed the file meanwhile. Send it again if it is needed.")


def wrong_offset(wrong: partial.WrongOffset) -> Problem:
    return Problem(409, str(wrong), code="wrong-offset", extra={"offset": wrong.offset})


def visible_parts(request: Request) -> QuerySet[PartialUpload]:
    rows = PartialUpload.objects.in_projects(projects(request))
    if sees_only_own(request):
        rows = rows.filter(user=caller(request))
    return rows.select_related("project", "user")


def part_or_404(request: Request, part_id: UUID) -> PartialUpload:
    return get_object_or_404(visible_parts(request), public_id=part_id)


def own_part(request: Request, part_id: UUID) -> PartialUpload:
    """Raises a 403 Problem for the file of another person, and without the role to submit."""
    part = part_or_404(request, part_id)
    assert part.project is not None  # files for all projects come by the web page
    require(request, part.project, ApiToken.Scope.SUBMIT)
    if part.user_id != caller(request).pk:
        raise Problem(403, "Another person sends this file. Announce a file of your own.")
    return part


def _json(request: Request, part: PartialUpload) -> dict[str, Any]:
    try:
        return dict(PartialFileSerializer(part, context={"request": request}).data)
    except partial.PartGone:
        raise part_gone() from None
