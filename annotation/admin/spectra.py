"""Uploads and the spectra in them can only be read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from annotation.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from annotation.spectra.models import Feature, FeatureMember, Spectrum, SpectrumIssue, Upload


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin):
    list_display = (
        "file_name", "project", "uploaded_by", "format", "state", "n_found", "n_usable", "n_repaired",
        "n_rejected", "n_skipped", "n_features", "created_at",
    )  # fmt: skip
    list_filter = ("state", "format", "project")
    list_select_related = ("project", "uploaded_by")
    search_fields = ("file_name", "=sha256")
    date_hierarchy = "created_at"


@admin.register(SpectrumIssue)
class SpectrumIssueAdmin(ReadOnlyAdmin):
    list_display = ("upload", "position", "severity", "code", "reason", "remedy")
    list_filter = ("severity", "code")
    list_select_related = ("upload",)
    search_fields = ("upload__file_name", "reason", "title")


@admin.register(Spectrum)
class SpectrumAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "project", "precursor_mz", "adduct", "ion_mode", "n_peaks", "splash")
    list_filter = ("project", "adduct", "ion_mode")
    list_select_related = ("project", "upload")
    search_fields = ("title", "=external_id", "=splash")
    exclude = ("mz_bytes", "intensity_bytes")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Spectrum]:
        return super().get_queryset(request).defer("mz_bytes", "intensity_bytes", "metadata")


class MemberInline(ReadOnlyInline):
    model = FeatureMember

    def get_queryset(self, request: HttpRequest) -> QuerySet[FeatureMember]:
        raw = ("spectrum__mz_bytes", "spectrum__intensity_bytes", "spectrum__metadata")
        return super().get_queryset(request).select_related("spectrum").defer(*raw)


@admin.register(Feature)
class FeatureAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__", "upload", "grouped_by", "n_members", "n_outliers", "precursor_mz", "adduct",
        "proposed_adduct", "retention_time_s", "purity",
    )  # fmt: skip
    list_filter = ("grouped_by", "project")
    list_select_related = ("upload",)
    search_fields = ("=label", "upload__file_name")
    raw_id_fields = ("representative",)
    inlines = (MemberInline,)
