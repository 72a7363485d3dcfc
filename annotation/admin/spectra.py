"""Uploads and the spectra in them can only be read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from annotation.admin.read_only import ReadOnlyAdmin
from annotation.spectra.models import Spectrum, SpectrumIssue, Upload


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin):
    list_display = (
        "file_name", "project", "uploaded_by", "format", "state", "n_found", "n_usable", "n_repaired",
        "n_rejected", "n_skipped", "created_at",
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
