"""Spectra and features, found by the identifiers of the caller."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.addresses import address
from annotation.api.serializers.results import FeatureSerializer, SpectrumDetailSerializer, SpectrumSerializer
from annotation.spectra.models import Feature, Spectrum


class StoredSpectrumSerializer(SpectrumSerializer):
    """A stored spectrum without its peaks."""

    url = serializers.SerializerMethodField()
    sample = serializers.SerializerMethodField(
        help_text="The measured sample: that of the spectrum, else that of the file."
    )

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, spectrum: Spectrum) -> str:
        return address(self.context["request"], "api:spectrum", spectrum.upload_id, spectrum.source_index)

    def get_sample(self, spectrum: Spectrum) -> str:
        return spectrum.sample_id or spectrum.upload.sample


class StoredSpectrumDetailSerializer(StoredSpectrumSerializer, SpectrumDetailSerializer):
    """A stored spectrum with its peaks, exactly as they were sent."""


class StoredFeatureSerializer(FeatureSerializer):
    """A feature of an upload, with the spectrum that represents it."""

    spectrum = StoredSpectrumSerializer(source="representative")
    upload = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.URI)
    def get_upload(self, feature: Feature) -> str:
        return address(self.context["request"], "api:upload", feature.upload_id)


class IdentityFilters(serializers.Serializer[Any]):
    external_id = serializers.CharField(
        required=False, max_length=200, help_text="Your identifier of a spectrum."
    )
    sample_id = serializers.CharField(
        required=False,
        max_length=200,
        help_text="The measured sample, as stated for a spectrum or else for its file.",
    )
    upload = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
