"""Projects with their members, and API tokens: issued with the secret shown once, revoked, never edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from annotation.accounts.models import ApiToken, AuditEvent, Membership, Project
from annotation.accounts.tokens import issue, revoke
from annotation.admin.read_only import ModelAdmin, ReadOnlyAdmin, TabularInline

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class ProjectCounts(TypedDict):
        n_members: int

    CountedProject = WithAnnotations[Project, ProjectCounts]


class MembershipInline(TabularInline):
    model = Membership
    autocomplete_fields = ("user",)
    extra = 1


@admin.register(Project)
class ProjectAdmin(ModelAdmin):
    list_display = ("name", "slug", "n_people", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        rows: QuerySet[Project] = super().get_queryset(request)
        return rows.annotate(n_members=Count("memberships"))

    @admin.display(description="people", ordering="n_members")
    def n_people(self, project: CountedProject) -> int:
        return project.n_members


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):
    list_display = ("user", "project", "role")
    list_filter = ("role", "project")
    list_select_related = ("user", "project")
    search_fields = ("user__username", "project__name")
    autocomplete_fields = ("user", "project")


class IssueForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    scopes = forms.MultipleChoiceField(
        choices=ApiToken.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="Choose only what the client needs. A token never allows more than the role of its owner.",
    )

    class Meta:
        model = ApiToken
        fields = ("project", "user", "name", "scopes", "expires_at")
        help_texts = {"expires_at": "Empty: after the default number of days of this server."}


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    form = IssueForm
    list_display = ("name", "prefix", "project", "user", "scopes", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("project",)
    list_select_related = ("project", "user")
    search_fields = ("name", "prefix", "user__username")
    autocomplete_fields = ("project", "user")
    actions = ("revoke_tokens",)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        # The list needs this permission for its action. A single token can only be read.
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # a revoked token still identifies who did what

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        token, secret = issue(
            project=obj.project,
            user=obj.user,
            name=obj.name,
            scopes=[ApiToken.Scope(scope) for scope in obj.scopes],
            expires_at=obj.expires_at,
        )
        obj.__dict__.update(token.__dict__)
        messages.warning(request, f"Copy the secret now; it is not shown again: {secret}")

    @admin.action(description="Revoke the selected tokens")
    def revoke_tokens(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        n = revoke(tokens)
        self.message_user(request, f"{n} tokens revoked. They no longer work.")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Sign-ins, failures, rights and tokens. The database refuses changes."""

    list_display = ("at", "kind", "actor", "subject", "project", "address", "detail")
    list_filter = ("kind", "at")
    search_fields = ("actor", "subject", "address", "project", "detail")
    date_hierarchy = "at"
    list_per_page = 50
