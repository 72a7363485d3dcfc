"""Spectra and features of all uploads, found by the identifiers of the caller."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api import openapi
from annotation.api.access import projects
from annotation.api.pagination import Pages
from annotation.api.serializers.spectra import (
    IdentityFilters,
    StoredFeatureSerializer,
    StoredSpectrumDetailSerializer,
    StoredSpectrumSerializer,
)
from annotation.api.views.base import View
from annotation.spectra.models import Feature, FeatureMember, Spectrum

PEAKS = ("mz_bytes", "intensity_bytes", "metadata")


def _identified(request: Request) -> tuple[QuerySet[Spectrum], bool]:
    """The visible spectra that the address names, and whether it names any."""
    filters = IdentityFilters(data=request.query_params)
    filters.is_valid(raise_exception=True)
    values = filters.validated_data
    spectra = Spectrum.objects.in_projects(projects(request))
    if "sample_id" in values:
        spectra = spectra.filter(pk__in=Spectrum.objects.of_sample(values["sample_id"]).values("pk"))
    if "external_id" in values:
        spectra = spectra.filter(external_id=values["external_id"])
    if "upload" in values:
        spectra = spectra.filter(upload=values["upload"])
    return spectra, bool(values)


class SpectraView(View):
    @extend_schema(
        operation_id="list_spectra",
        parameters=[IdentityFilters, *openapi.PAGE],
        responses={200: openapi.page_of(StoredSpectrumSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List spectra by your identifiers, newest first."""
        spectra, _ = _identified(request)
        pages = Pages(("-id",))
        rows = pages.rows(spectra.select_related("upload").defer(*PEAKS), request)
        return pages.answer(StoredSpectrumSerializer(rows, many=True, context={"request": request}).data)


class SpectrumView(View):
    @extend_schema(
        operation_id="get_spectrum",
        parameters=[openapi.FIELDS],
        responses={200: StoredSpectrumDetailSerializer, **openapi.PROBLEMS},
    )
    def get(self, request: Request, pk: int, index: int) -> Response:
        """Show a spectrum of an upload with its peaks. `index` is its position in the file, from 0."""
        spectra = Spectrum.objects.in_projects(projects(request)).select_related("upload")
        spectrum = get_object_or_404(spectra, upload=pk, source_index=index)
        return Response(StoredSpectrumDetailSerializer(spectrum, context={"request": request}).data)


class FeaturesView(View):
    @extend_schema(
        operation_id="list_features",
        parameters=[IdentityFilters, *openapi.PAGE],
        responses={200: openapi.page_of(StoredFeatureSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List features by the identifiers of any of their spectra, newest first."""
        spectra, is_filtered = _identified(request)
        features = Feature.objects.in_projects(projects(request))
        if is_filtered:
            members = FeatureMember.objects.filter(spectrum__in=spectra.values("pk"))
            features = features.filter(pk__in=members.values("feature"))
        rows = features.select_related("representative__upload").defer(
            *(f"representative__{column}" for column in PEAKS)
        )
        pages = Pages(("-id",))
        page = pages.rows(rows, request)
        return pages.answer(StoredFeatureSerializer(page, many=True, context={"request": request}).data)
