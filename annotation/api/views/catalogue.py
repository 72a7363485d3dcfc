"""What there is to work with: projects, libraries and their versions, models, uploads."""

from __future__ import annotations

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api import openapi
from annotation.api.access import collections, libraries, projects
from annotation.api.pagination import Pages
from annotation.api.serializers.catalogue import (
    CollectionShape,
    LibraryShape,
    ModelShape,
    ProjectShape,
    VersionWhole,
)
from annotation.api.serializers.uploads import IssueShape, UploadShape
from annotation.api.views.base import View
from annotation.checkpoints.models import ModelVersion
from annotation.libraries.models import LibraryEmbedding, LibraryVersion
from annotation.references.models import ReferenceVersion
from annotation.spectra.models import SpectrumIssue, Upload


class ProjectsView(View):
    @extend_schema(
        operation_id="list_projects",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ProjectShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """The projects that you can see; a token sees its own."""
        pages = Pages(("id",))
        rows = pages.paginate_queryset(projects(request), request, view=self) or []
        return pages.answer(ProjectShape(rows, many=True).data)


class LibrariesView(View):
    @extend_schema(
        operation_id="list_libraries",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(LibraryShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Candidate libraries with all their versions, newest version first."""
        versions = LibraryVersion.objects.select_related("library").order_by("-number")
        rows = libraries(request).select_related("project").prefetch_related(Prefetch("versions", versions))
        pages = Pages(("id",))
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.answer(LibraryShape(page, many=True, context={"request": request}).data)


class LibraryVersionView(View):
    @extend_schema(operation_id="get_library_version", responses={200: VersionWhole, **openapi.PROBLEMS})
    def get(self, request: Request, name: str, number: int) -> Response:
        """One version: where it came from, what it holds, and for which models it is embedded."""
        embeddings = LibraryEmbedding.objects.select_related("model_version").order_by("pk")
        versions = LibraryVersion.objects.filter(library__in=libraries(request)).select_related("library")
        version = get_object_or_404(
            versions.prefetch_related(Prefetch("embeddings", embeddings)), library__name=name, number=number
        )
        return Response(VersionWhole(version, context={"request": request}).data)


class ReferencesView(View):
    @extend_schema(
        operation_id="list_references",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(CollectionShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Collections of reference spectra with all their versions, newest version first."""
        versions = ReferenceVersion.objects.order_by("-number")
        rows = collections(request).select_related("project").prefetch_related(Prefetch("versions", versions))
        pages = Pages(("id",))
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.answer(CollectionShape(page, many=True).data)


class ModelsView(View):
    @extend_schema(
        operation_id="list_models",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ModelShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Model versions with their hashes, training and measured figures, newest first."""
        pages = Pages(("-id",))
        rows = pages.paginate_queryset(ModelVersion.objects.all(), request, view=self) or []
        return pages.answer(ModelShape(rows, many=True).data)


class UploadView(View):
    @extend_schema(operation_id="get_upload", responses={200: UploadShape, **openapi.PROBLEMS})
    def get(self, request: Request, pk: int) -> Response:
        """What was found in a file."""
        uploads = Upload.objects.filter(project__in=projects(request)).select_related(
            "project", "uploaded_by"
        )
        upload = get_object_or_404(uploads, pk=pk)
        return Response(UploadShape(upload, context={"request": request}).data)


class UploadIssuesView(View):
    @extend_schema(
        operation_id="list_upload_issues",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(IssueShape), **openapi.PROBLEMS},
    )
    def get(self, request: Request, pk: int) -> Response:
        """Each spectrum of the file that was rejected, repaired or skipped: where, why, and the remedy."""
        uploads = Upload.objects.filter(project__in=projects(request))
        issues = SpectrumIssue.objects.filter(upload=get_object_or_404(uploads, pk=pk))
        pages = Pages(("id",))
        rows = pages.paginate_queryset(issues, request, view=self) or []
        return pages.answer(IssueShape(rows, many=True).data)
