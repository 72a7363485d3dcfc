"""Pictures of structures and spectra as SVG, for reports and pages of other systems."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from annotation.api import openapi
from annotation.api.access import projects
from annotation.api.views.base import View
from annotation.api.views.exports import AnyAccept
from annotation.api.views.results import visible_annotations
from annotation.exports.report.plots import DrawnPeak, spectrum_svg
from annotation.results.load import candidate_view
from annotation.spectra.models import Spectrum
from models_ml.molecules.depict import depict_svg

MEDIA_TYPE = "image/svg+xml"
WIDTH, HEIGHT = 300, 190
PICTURE = {(200, MEDIA_TYPE): OpenApiTypes.STR, **openapi.PROBLEMS}


class StructurePictureView(View):
    content_negotiation_class = AnyAccept

    @extend_schema(operation_id="get_candidate_svg", responses=PICTURE)
    def get(self, request: Request, public_id: UUID, inchikey_first_block: str) -> HttpResponse:
        """Draw the structure of a candidate as SVG."""
        annotation = get_object_or_404(visible_annotations(request), public_id=public_id)
        candidate = candidate_view(annotation, inchikey_first_block)
        if candidate is None:
            raise Http404
        return HttpResponse(depict_svg(candidate.smiles, WIDTH, HEIGHT), content_type=MEDIA_TYPE)


class SpectrumPictureView(View):
    content_negotiation_class = AnyAccept

    @extend_schema(operation_id="get_spectrum_svg", responses=PICTURE)
    def get(self, request: Request, pk: int, index: int) -> HttpResponse:
        """Draw a spectrum as SVG, with the m/z of its strongest peaks."""
        spectra = Spectrum.objects.in_projects(projects(request))
        spectrum = get_object_or_404(spectra, upload=pk, source_index=index)
        highest = max((intensity for _, intensity in spectrum.peaks), default=1.0)
        peaks = [DrawnPeak(mz, 100 * intensity / highest, True) for mz, intensity in spectrum.peaks]
        return HttpResponse(spectrum_svg(peaks, spectrum.precursor_mz), content_type=MEDIA_TYPE)
