"""Pages of a project's managers: service accounts and the tokens of the project."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from annotation.accounts import service_accounts, tokens
from annotation.accounts.models import ApiToken, Project, ServiceAccount
from annotation.web import scope
from annotation.web.project_forms import OverlapForm, ServiceAccountForm, TokenForm
from annotation.web.scope import SignedInRequest

TOKENS_PER_PAGE = 50


@login_required
def accounts(request: SignedInRequest, slug: str) -> HttpResponse:
    """The list of the project's service accounts and of all its tokens, and the form for a new account."""
    project = scope.managed_project(request.user, slug)
    form = ServiceAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            account = service_accounts.create(project=project, by=request.user, **form.cleaned_data)
        except service_accounts.CannotCreate as refusal:
            form.add_error(refusal.field or None, refusal.reason)
        else:
            messages.success(request, f"The service account {account.name} is created. Now give it a token.")
            return redirect("service-account", slug, account.public_id)
    all_tokens = ApiToken.objects.filter(project=project).select_related("user")
    context = {
        "project": project,
        "form": form,
        "accounts": service_accounts.managed_by(request.user).filter(project=project),
        "page": Paginator(all_tokens.order_by("-pk"), TOKENS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "annotation/service_accounts.html", context)


@login_required
def account(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    """One service account with its tokens, and the form for a new token. Shows a new secret once."""
    project = scope.managed_project(request.user, slug)
    shown = _account_or_404(request, project, public_id)
    if request.method != "POST":
        return _account_page(request, shown)
    form = _token_form(shown, request.POST)
    if not form.is_valid():
        return _account_page(request, shown, form=form)
    values = form.cleaned_data
    try:
        token, secret = service_accounts.issue_token(
            shown, name=values["name"], scopes=values["scopes"], days=values["days"]
        )
    except service_accounts.CannotCreate as refusal:
        form.add_error(refusal.field or None, refusal.reason)
        return _account_page(request, shown, form=form)
    return _account_page(request, shown, token=token, secret=secret)


@login_required
@require_POST
def close(request: SignedInRequest, slug: str, public_id: UUID) -> HttpResponse:
    shown = _account_or_404(request, scope.managed_project(request.user, slug), public_id)
    service_accounts.close(shown)
    messages.success(request, f"The service account {shown.name} is closed. Its tokens no longer work.")
    return redirect("service-accounts", slug)


@login_required
@require_POST
def rotate(request: SignedInRequest, slug: str, prefix: str) -> HttpResponse:
    """A new secret for a token of a service account."""
    project = scope.managed_project(request.user, slug)
    token = get_object_or_404(
        ApiToken.objects.select_related("project", "user"), project=project, prefix=prefix
    )
    owner = ServiceAccount.objects.filter(project=project, user=token.user).first()
    if owner is None:
        raise PermissionDenied("The token of a person acts for that person, so only they may rotate it.")
    shown, form = _account_or_404(request, project, owner.public_id), OverlapForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"The overlap: {' '.join(map(str, form.errors['overlap_hours']))}")
        return redirect("service-account", slug, shown.public_id)
    try:
        new, secret = tokens.rotate(token, timedelta(hours=form.cleaned_data["overlap_hours"]))
    except tokens.CannotRotate as refusal:
        messages.error(request, str(refusal))
        return redirect("service-account", slug, shown.public_id)
    return _account_page(request, shown, token=new, secret=secret)


@login_required
@require_POST
def revoke(request: SignedInRequest, slug: str, prefix: str) -> HttpResponse:
    """Managers may revoke every token of their project, those of people too."""
    project = scope.managed_project(request.user, slug)
    token = get_object_or_404(ApiToken, project=project, prefix=prefix)
    tokens.revoke(ApiToken.objects.filter(pk=token.pk))
    messages.success(request, f"The token {token.prefix}… is revoked. It no longer works.")
    owner = ServiceAccount.objects.filter(project=project, user=token.user_id).first()
    if owner is None:
        return redirect("service-accounts", slug)
    return redirect("service-account", slug, owner.public_id)


def _account_or_404(request: SignedInRequest, project: Project, public_id: UUID) -> ServiceAccount:
    return get_object_or_404(service_accounts.managed_by(request.user), project=project, public_id=public_id)


def _token_form(shown: ServiceAccount, data: object = None) -> TokenForm:
    return TokenForm(tokens.scopes_for(shown.role), data, default_days=settings.GLMR_TOKEN_DAYS)


def _account_page(
    request: SignedInRequest,
    shown: ServiceAccount,
    *,
    form: TokenForm | None = None,
    token: ApiToken | None = None,
    secret: str = "",
) -> HttpResponse:
    rows = ApiToken.objects.filter(user=shown.user).select_related("replaced_by").order_by("-pk")
    context = {
        "project": shown.project,
        "account": shown,
        "form": form or _token_form(shown),
        "overlap": OverlapForm(),
        "tokens": rows,
        "new_token": token,
        "secret": secret,
    }
    return render(request, "annotation/service_account.html", context)
