"""Model versions and annotations with their provenance. Only the default model can be changed."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from annotation.admin.read_only import ReadOnlyAdmin
from annotation.admin.view_inline import ViewInline
from annotation.checkpoints.models import ModelVersion
from annotation.libraries.register_checkpoint import make_default
from annotation.results.models import Annotation, Candidate, FormulaCandidate, GeneratedMolecule
from annotation.results.view import CandidateView, FormulaView, GeneratedView, VerdictView
from annotation.review.models import Verdict


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = (
        "name", "is_default", "checkpoint_sha256", "ranking_sha256", "embedding_dim", "registered_at"
    )  # fmt: skip
    search_fields = ("name", "checkpoint_sha256", "ranking_sha256")
    actions = ("make_default",)

    @admin.action(description="Preselect this model for new jobs")
    def make_default(self, request: HttpRequest, models: QuerySet[ModelVersion]) -> None:
        if models.count() != 1:
            self.message_user(request, "Choose exactly one model.", "error")
            return
        make_default(models.get())
        self.message_user(request, f"{models.get()} is preselected now.")


class CandidateInline(ViewInline):
    model = Candidate
    view = CandidateView
    leave_out = frozenset({"name"})  # known to the library only, not to the row
    links = ("molecule",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Candidate]:
        rows = super().get_queryset(request).select_related("molecule").defer("molecule__fingerprint")
        return rows.order_by("rank")


class FormulaInline(ViewInline):
    model = FormulaCandidate
    view = FormulaView


class GeneratedInline(ViewInline):
    model = GeneratedMolecule
    view = GeneratedView


class VerdictInline(ViewInline):
    model = Verdict
    view = VerdictView

    def get_queryset(self, request: HttpRequest) -> QuerySet[Verdict]:
        rows = super().get_queryset(request).select_related("decided_by", "candidate__molecule")
        return rows.defer("candidate__molecule__fingerprint")


@admin.register(Annotation)
class AnnotationAdmin(ReadOnlyAdmin):
    list_display = (
        "title", "job", "method", "adduct", "top_molecule", "p_right", "p_close", "abstains",
        "top_generated_similarity", "margin", "n_in_window", "worker", "attempt", "created_at", "on_site",
    )  # fmt: skip
    list_filter = ("method", "abstains", "adduct_assumed")
    list_select_related = ("job", "spectrum", "top_molecule")
    search_fields = ("job__name", "spectrum__title", "public_id")
    date_hierarchy = "created_at"
    inlines = (CandidateInline, FormulaInline, GeneratedInline, VerdictInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Annotation]:
        rows = super().get_queryset(request).select_related("spectrum", "top_molecule", "item__job")
        return rows.defer(
            "spectrum__mz_bytes",
            "spectrum__intensity_bytes",
            "spectrum__metadata",
            "top_molecule__fingerprint",
        )

    @admin.display(description="spectrum", ordering="spectrum__title")
    def title(self, annotation: Annotation) -> str:
        """Shortened, because a long title without spaces pushes the other columns off the screen."""
        return Truncator(annotation.spectrum).chars(60)

    @admin.display(description="page")
    def on_site(self, annotation: Annotation) -> SafeString:
        return format_html('<a href="{}">open</a>', reverse("annotation-detail", args=[annotation.public_id]))
