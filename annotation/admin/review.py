"""Verdicts can only be read here. They are added on the web pages, and the database never changes them."""

from __future__ import annotations

from django.contrib import admin

from annotation.admin.read_only import ReadOnlyAdmin
from annotation.review.models import Verdict


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    list_display = ("annotation", "decision", "level", "candidate", "decided_by", "decided_at", "reason")
    list_filter = ("decision", "level", ("decided_by", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("annotation", "candidate", "decided_by")
    search_fields = ("reason", "comment", "decided_by__username")
    date_hierarchy = "decided_at"
