"""Reference collections can be described and assigned to a project; their contents can only be read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from annotation.admin.import_notes import notes_as_html
from annotation.admin.read_only import ModelAdmin, ReadOnlyAdmin, ReadOnlyInline
from annotation.references.models import (
    ReferenceCollection,
    ReferenceIssue,
    ReferenceSpectrum,
    ReferenceVersion,
)


class VersionInline(ReadOnlyInline):
    model = ReferenceVersion
    fields = ("number", "state", "n_spectra", "n_molecules", "n_rejected", "content_sha256", "created_at")
    readonly_fields = fields
    show_change_link = True


@admin.register(ReferenceCollection)
class ReferenceCollectionAdmin(ModelAdmin):
    list_display = ("name", "project", "license", "is_accepted", "created_at")
    list_select_related = ("project",)
    search_fields = ("name",)
    autocomplete_fields = ("project",)
    readonly_fields = ("is_accepted",)
    inlines = (VersionInline,)


@admin.register(ReferenceVersion)
class ReferenceVersionAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__", "state", "n_spectra", "n_molecules", "n_rejected", "content_sha256", "created_at"
    )  # fmt: skip
    list_filter = ("state", "collection")
    list_select_related = ("collection",)
    search_fields = ("collection__name", "content_sha256", "source_file_name")
    exclude = ("import_notes",)
    readonly_fields = ("changed_or_assumed",)

    @admin.display(description="changed or assumed")
    def changed_or_assumed(self, version: ReferenceVersion) -> str:
        return notes_as_html(version.import_notes, "spectrum")


@admin.register(ReferenceSpectrum)
class ReferenceSpectrumAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "version", "molecule", "adduct", "precursor_mz", "license", "origin")
    list_filter = (("version", admin.RelatedOnlyFieldListFilter), "adduct")
    list_select_related = ("version__collection", "molecule")
    search_fields = ("title", "=splash", "=molecule__inchikey_first_block")
    exclude = ("mz_bytes", "intensity_bytes")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReferenceSpectrum]:
        rows = super().get_queryset(request).select_related("molecule")
        return rows.defer("mz_bytes", "intensity_bytes", "molecule__fingerprint")


@admin.register(ReferenceIssue)
class ReferenceIssueAdmin(ReadOnlyAdmin):
    list_display = ("version", "position", "code", "reason", "remedy")
    list_filter = ("code", ("version", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("version__collection",)
    search_fields = ("reason", "title")
