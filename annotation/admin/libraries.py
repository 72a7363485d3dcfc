"""Libraries can be described and assigned to a project; versions, entries and molecules can only be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from annotation.admin.import_notes import notes_as_html
from annotation.admin.read_only import ModelAdmin, ReadOnlyAdmin, ReadOnlyInline
from annotation.libraries.models import (
    Library,
    LibraryEmbedding,
    LibraryEntry,
    LibraryRowIssue,
    LibraryVersion,
    Molecule,
)

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class LibraryCounts(TypedDict):
        n: int

    CountedLibrary = WithAnnotations[Library, LibraryCounts]


class VersionInline(ReadOnlyInline):
    model = LibraryVersion
    fields = ("number", "state", "n_molecules", "n_merged", "n_rejected", "content_sha256", "created_at")
    readonly_fields = fields
    show_change_link = True


@admin.register(Library)
class LibraryAdmin(ModelAdmin):
    list_display = ("name", "project", "license", "n_versions", "created_at")
    list_select_related = ("project",)
    search_fields = ("name",)
    autocomplete_fields = ("project",)
    inlines = (VersionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Library]:
        rows: QuerySet[Library] = super().get_queryset(request)
        return rows.annotate(n=Count("versions"))

    @admin.display(description="versions", ordering="n")
    def n_versions(self, library: CountedLibrary) -> int:
        return library.n


class EmbeddingInline(ReadOnlyInline):
    model = LibraryEmbedding
    fields = ("model_version", "n_embedded", "requested_at", "finished_at")
    readonly_fields = fields


@admin.register(LibraryVersion)
class LibraryVersionAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__", "state", "n_molecules", "n_rows", "n_merged", "n_rejected", "content_sha256", "created_at"
    )  # fmt: skip
    list_filter = ("state", "library")
    list_select_related = ("library",)
    search_fields = ("library__name", "content_sha256", "source_file_name")
    inlines = (EmbeddingInline,)
    exclude = ("import_notes",)
    readonly_fields = ("changed_or_assumed",)

    @admin.display(description="changed or assumed")
    def changed_or_assumed(self, version: LibraryVersion) -> str:
        return notes_as_html(version.import_notes, "row")


@admin.register(LibraryEntry)
class LibraryEntryAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "version", "molecule", "exact_mass", "source_id", "row_number")
    list_select_related = ("version__library", "molecule")
    list_filter = (("version", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("name", "=source_id", "=molecule__inchikey_first_block")


@admin.register(LibraryRowIssue)
class LibraryRowIssueAdmin(ReadOnlyAdmin):
    list_display = ("version", "position", "code", "reason", "remedy")
    list_filter = ("code", ("version", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("version__library",)
    search_fields = ("reason", "text")


@admin.register(Molecule)
class MoleculeAdmin(ReadOnlyAdmin):
    list_display = ("inchikey_first_block", "formula", "exact_mass", "smiles")
    search_fields = ("=inchikey_first_block", "=formula")
    exclude = ("fingerprint",)
