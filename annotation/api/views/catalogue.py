"""Projects, libraries, reference collections, models and uploads: everything that is only read."""

from __future__ import annotations

from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts.models import ApiToken
from annotation.api import openapi
from annotation.api.access import ANY_SCOPE, caller, collections, libraries, projects, require, sees_only_own
from annotation.api.pagination import Pages
from annotation.api.problems import Problem
from annotation.api.serializers.catalogue import (
    LibrarySerializer,
    LibraryVersionDetailSerializer,
    ModelVersionSerializer,
    ProjectSerializer,
    ReferenceCollectionSerializer,
)
from annotation.api.serializers.results import FeatureSerializer
from annotation.api.serializers.uploads import UploadIssueSerializer, UploadSerializer
from annotation.api.views.base import View
from annotation.checkpoints.models import ModelVersion
from annotation.libraries.models import LibraryEmbedding, LibraryVersion
from annotation.references.models import ReferenceVersion
from annotation.spectra import removal
from annotation.spectra.models import Feature, SpectrumIssue, Upload, UploadQuerySet

UPLOAD_SCOPES = frozenset({ApiToken.Scope.READ, ApiToken.Scope.SUBMIT})


def visible_uploads(request: Request) -> UploadQuerySet:
    """A token that may only submit sees what its owner uploaded."""
    uploads = Upload.objects.in_projects(projects(request))
    return uploads.filter(uploaded_by=caller(request)) if sees_only_own(request) else uploads


class ProjectsView(View):
    read_scopes = ANY_SCOPE  # what a job can be made of

    @extend_schema(
        operation_id="list_projects",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ProjectSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the projects that you can see. A token sees its own project."""
        pages = Pages(("id",))
        return pages.answer(ProjectSerializer(pages.rows(projects(request), request), many=True).data)


class LibrariesView(View):
    read_scopes = ANY_SCOPE  # what a job can be made of

    @extend_schema(
        operation_id="list_libraries",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(LibrarySerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the candidate libraries with all their versions, newest version first."""
        versions = LibraryVersion.objects.select_related("library").order_by("-number")
        rows = libraries(request).select_related("project").prefetch_related(Prefetch("versions", versions))
        pages = Pages(("id",))
        page = pages.rows(rows, request)
        return pages.answer(LibrarySerializer(page, many=True, context={"request": request}).data)


class LibraryVersionView(View):
    read_scopes = ANY_SCOPE  # what a job can be made of

    @extend_schema(
        operation_id="get_library_version",
        parameters=[openapi.FIELDS],
        responses={200: LibraryVersionDetailSerializer, **openapi.PROBLEMS},
    )
    def get(self, request: Request, name: str, number: int) -> Response:
        """Show a version of a library: its source, its contents, and the models that it is embedded for."""
        embeddings = LibraryEmbedding.objects.select_related("model_version").order_by("pk")
        versions = LibraryVersion.objects.usable_in(projects(request)).select_related("library")
        version = get_object_or_404(
            versions.prefetch_related(Prefetch("embeddings", embeddings)), library__name=name, number=number
        )
        return Response(LibraryVersionDetailSerializer(version, context={"request": request}).data)


class ReferencesView(View):
    read_scopes = ANY_SCOPE  # what a job can be made of

    @extend_schema(
        operation_id="list_references",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ReferenceCollectionSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the collections of reference spectra with all their versions, newest version first."""
        versions = ReferenceVersion.objects.order_by("-number")
        rows = collections(request).select_related("project").prefetch_related(Prefetch("versions", versions))
        pages = Pages(("id",))
        page = pages.rows(rows, request)
        return pages.answer(ReferenceCollectionSerializer(page, many=True).data)


class ModelsView(View):
    read_scopes = ANY_SCOPE  # what a job can be made of

    @extend_schema(
        operation_id="list_models",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ModelVersionSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the model versions with their hashes, training and metrics, newest first."""
        pages = Pages(("-id",))
        rows = pages.rows(ModelVersion.objects.all(), request)
        return pages.answer(ModelVersionSerializer(rows, many=True).data)


class UploadsView(View):
    read_scopes = UPLOAD_SCOPES

    @extend_schema(
        operation_id="list_uploads",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(UploadSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the uploads of your projects, newest first."""
        pages = Pages(("-id",))
        uploads = visible_uploads(request).select_related("project", "uploaded_by")
        rows = pages.rows(uploads, request)
        return pages.answer(UploadSerializer(rows, many=True, context={"request": request}).data)


class UploadView(View):
    read_scopes = UPLOAD_SCOPES

    @extend_schema(
        operation_id="get_upload",
        parameters=[openapi.FIELDS],
        responses={200: UploadSerializer, **openapi.PROBLEMS},
    )
    def get(self, request: Request, pk: int) -> Response:
        """Show what was found in an uploaded file."""
        uploads = visible_uploads(request).select_related("project", "uploaded_by")
        upload = get_object_or_404(uploads, pk=pk)
        return Response(UploadSerializer(upload, context={"request": request}).data)

    @extend_schema(operation_id="delete_upload", responses={204: None, **openapi.PROBLEMS})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete an upload with its spectra and its file, if no job uses it."""
        uploads = visible_uploads(request).select_related("project")
        upload = get_object_or_404(uploads, pk=pk)
        require(request, upload.project, ApiToken.Scope.SUBMIT)
        try:
            removal.remove(upload)
        except removal.UploadInUse:
            detail = "A job uses spectra of this upload, so it cannot be deleted: results depend on them."
            raise Problem(409, detail, code="upload-in-use") from None
        return Response(status=204)


class UploadFeaturesView(View):
    read_scopes = UPLOAD_SCOPES

    @extend_schema(
        operation_id="list_upload_features",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(FeatureSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request, pk: int) -> Response:
        """List the features of a file: which spectra are annotated together, and what MS1 shows of them."""
        uploads = visible_uploads(request)
        features = Feature.objects.filter(upload=get_object_or_404(uploads, pk=pk))
        pages = Pages(("number",))
        return pages.answer(FeatureSerializer(pages.rows(features, request), many=True).data)


class UploadIssuesView(View):
    read_scopes = UPLOAD_SCOPES

    @extend_schema(
        operation_id="list_upload_issues",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(UploadIssueSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request, pk: int) -> Response:
        """List the spectra of a file that were rejected, repaired or skipped, with reason and remedy."""
        uploads = visible_uploads(request)
        issues = SpectrumIssue.objects.filter(upload=get_object_or_404(uploads, pk=pk))
        pages = Pages(("id",))
        rows = pages.rows(issues, request)
        return pages.answer(UploadIssueSerializer(rows, many=True).data)
