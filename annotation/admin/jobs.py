"""Jobs, their items with errors, and workers. Jobs can be cancelled, resumed and retried, but not edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotation.admin.read_only import ReadOnlyAdmin
from annotation.jobs import actions
from annotation.jobs.models import Job, JobItem, WorkerHeartbeat
from annotation.jobs.progress import find_outcome

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class JobCounts(TypedDict):
        n: int
        n_bad: int
        n_unusable: int
        n_cancelled: int

    CountedJob = WithAnnotations[Job, JobCounts]


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = (
        "name", "project", "state", "outcome", "n_items", "n_failed", "submitted_by", "library_version",
        "model_version", "created_at", "finished_at", "on_site",
    )  # fmt: skip
    list_filter = ("project", "model_version", ("library_version", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("project", "submitted_by", "library_version__library", "model_version")
    search_fields = ("name", "=external_id", "public_id")
    date_hierarchy = "created_at"
    actions = ("cancel", "resume", "retry_failed")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        rows: QuerySet[Job] = super().get_queryset(request)
        return rows.annotate(
            n=Count("items"),
            n_bad=_count(JobItem.State.FAILED),
            n_unusable=_count(JobItem.State.UNUSABLE),
            n_cancelled=_count(JobItem.State.CANCELLED),
        )

    @admin.display(description="outcome")
    def outcome(self, job: CountedJob) -> str:
        return find_outcome(job.state, job.n, job.n_bad + job.n_unusable, job.n_cancelled).value

    @admin.display(description="spectra", ordering="n")
    def n_items(self, job: CountedJob) -> SafeString:
        return _items_link(job, "", job.n)

    @admin.display(description="failed", ordering="n_bad")
    def n_failed(self, job: CountedJob) -> SafeString:
        return _items_link(job, "&state__exact=failed", job.n_bad)

    @admin.display(description="page")
    def on_site(self, job: Job) -> SafeString:
        return format_html('<a href="{}">open</a>', reverse("job-detail", args=[job.public_id]))

    @admin.action(description="Cancel the selected jobs")
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        for job in jobs:
            actions.cancel(job, _person(request))
        self.message_user(
            request, "Cancelled. Workers finish what they have begun, and these results are kept."
        )

    @admin.action(description="Resume the selected cancelled jobs")
    def resume(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        n = sum(actions.resume(job, _person(request)) for job in jobs)
        self.message_user(request, f"{n} features are queued again.")

    @admin.action(description="Retry the failed spectra of the selected jobs")
    def retry_failed(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        n = sum(actions.retry_failed(job, _person(request)) for job in jobs)
        self.message_user(request, f"{n} spectra are queued again.")


def _count(state: JobItem.State) -> Count:
    return Count("items", filter=Q(items__state=state))


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _items_link(job: Job, condition: str, n: int) -> SafeString:
    base = reverse("admin:annotation_jobitem_changelist")
    return format_html('<a href="{}?job__id__exact={}{}">{}</a>', base, job.pk, SafeString(condition), n)


@admin.register(JobItem)
class JobItemAdmin(ReadOnlyAdmin):
    list_display = (
        "job", "position", "spectrum", "state", "attempts", "error_code", "error", "worker", "finished_at"
    )  # fmt: skip
    list_filter = ("state", "error_code", "attempts", "isolated")
    list_select_related = ("job", "spectrum")
    search_fields = ("job__name", "spectrum__title", "error", "worker")

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobItem]:
        raw = ("spectrum__mz_bytes", "spectrum__intensity_bytes", "spectrum__metadata")
        return super().get_queryset(request).select_related("spectrum").defer(*raw)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        # Jobs link here with their id. A filter in the sidebar would list all jobs, which are too many.
        return lookup == "job__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "device", "last_seen_at", "stopped_at", "activity", "problem", "model_version")
    list_select_related = ("model_version",)
