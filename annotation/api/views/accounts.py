"""Service accounts and tokens: made and closed by managers, and each token rotated by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.accounts import service_accounts, tokens
from annotation.accounts.models import ApiToken, Role, ServiceAccount
from annotation.api import openapi
from annotation.api.access import ANY_SCOPE, caller, managed_project, projects, require, require_scope
from annotation.api.addresses import address
from annotation.api.pagination import Pages
from annotation.api.problems import Problem
from annotation.api.serializers.accounts import (
    NewTokenSerializer,
    ServiceAccountInputSerializer,
    ServiceAccountSerializer,
    TokenInputSerializer,
    TokenRotationSerializer,
    TokenSerializer,
)
from annotation.api.views.base import View

Scope = ApiToken.Scope


class AccountsView(View):
    """What managers may do, with the scope `accounts`."""

    read_scopes = frozenset({Scope.ACCOUNTS})
    write_scope = Scope.ACCOUNTS


def visible_accounts(request: Request, at_least: Role = Role.VIEWER) -> QuerySet[ServiceAccount]:
    accounts = ServiceAccount.objects.filter(project__in=projects(request, at_least))
    return accounts.select_related("project", "user", "created_by").prefetch_related("user__memberships")


def account_or_404(request: Request, account_id: UUID) -> ServiceAccount:
    """404 if the caller cannot see the project, 403 if it does not manage it."""
    account = get_object_or_404(visible_accounts(request), public_id=account_id)
    require(request, account.project, Scope.ACCOUNTS)
    return account


class ServiceAccountsView(AccountsView):
    @extend_schema(
        operation_id="list_service_accounts",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(ServiceAccountSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List the service accounts of the projects that you manage."""
        pages = Pages(("id",))
        rows = pages.rows(visible_accounts(request, Role.MANAGER), request)
        return pages.answer(ServiceAccountSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="create_service_account",
        request={"application/json": ServiceAccountInputSerializer},
        responses={201: ServiceAccountSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Create a service account. Then give it a token."""
        project = managed_project(request, Scope.ACCOUNTS)
        form = ServiceAccountInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(form.validated_data)
        del values["project"]
        values["role"] = Role(values["role"])
        try:
            account = service_accounts.create(project=project, by=caller(request), **values)
        except service_accounts.CannotCreate as refusal:
            raise _invalid(refusal) from None
        headers = {"Location": address(request, "api:service-account", account.public_id)}
        return Response(ServiceAccountSerializer(account).data, status=201, headers=headers)


class ServiceAccountView(AccountsView):
    @extend_schema(
        operation_id="get_service_account", responses={200: ServiceAccountSerializer, **openapi.PROBLEMS}
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """Show a service account."""
        return Response(ServiceAccountSerializer(account_or_404(request, account_id)).data)

    @extend_schema(operation_id="close_service_account", responses={204: None, **openapi.PROBLEMS})
    def delete(self, request: Request, account_id: UUID) -> Response:
        """Close a service account: its tokens are revoked, and what it did still names it."""
        service_accounts.close(account_or_404(request, account_id))
        return Response(status=204)


class ServiceAccountTokensView(AccountsView):
    @extend_schema(
        operation_id="list_service_account_tokens",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(TokenSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """List the tokens of a service account, newest first."""
        account = account_or_404(request, account_id)
        pages = Pages(("-id",))
        rows = pages.rows(_with_details(ApiToken.objects.filter(user=account.user)), request)
        return pages.answer(TokenSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="issue_token",
        request={"application/json": TokenInputSerializer},
        responses={201: NewTokenSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request, account_id: UUID) -> Response:
        """Issue a token for a service account. Its secret is in this answer only."""
        account = account_or_404(request, account_id)
        form = TokenInputSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        _refuse_more_than_own(request, values["scopes"])
        try:
            token, secret = service_accounts.issue_token(
                account, name=values["name"], scopes=values["scopes"], days=values["expires_in_days"]
            )
        except service_accounts.CannotCreate as refusal:
            raise _invalid(refusal) from None
        return _new_token(request, token, secret)


class TokensView(AccountsView):
    @extend_schema(
        operation_id="list_tokens",
        parameters=openapi.PAGE,
        responses={200: openapi.page_of(TokenSerializer), **openapi.PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """List all tokens of the projects that you manage, newest first. None shows its secret."""
        pages = Pages(("-id",))
        rows = _with_details(ApiToken.objects.filter(project__in=projects(request, Role.MANAGER)))
        return pages.answer(TokenSerializer(pages.rows(rows, request), many=True).data)


class TokenView(View):
    read_scopes = write_scopes = ANY_SCOPE  # for the token itself; see _token_or_refusal

    @extend_schema(operation_id="get_token", responses={200: TokenSerializer, **openapi.PROBLEMS})
    def get(self, request: Request, prefix: str) -> Response:
        """Show a token: its scopes, its end, its last use. Every token may show itself."""
        return Response(TokenSerializer(_token_or_refusal(request, prefix)).data)

    @extend_schema(operation_id="revoke_token", responses={204: None, **openapi.PROBLEMS})
    def delete(self, request: Request, prefix: str) -> Response:
        """Revoke a token. Every token may revoke itself."""
        tokens.revoke(ApiToken.objects.filter(pk=_token_or_refusal(request, prefix).pk))
        return Response(status=204)


class TokenRotationView(View):
    write_scopes = ANY_SCOPE

    @extend_schema(
        operation_id="rotate_token",
        request={"application/json": TokenRotationSerializer},
        responses={201: NewTokenSerializer, **openapi.WRITE_PROBLEMS},
    )
    def post(self, request: Request, prefix: str) -> Response:
        """Replace a token by a new one with the same scopes. The old one still works for `overlap_hours`.

        Every token may rotate itself. Managers may rotate the tokens of service accounts.
        """
        token = _token_or_refusal(request, prefix)
        if not _is_own(request, token):
            if not ServiceAccount.objects.filter(user=token.user_id).exists():
                raise Problem(
                    403, "Only its owner may rotate the token of a person, because it acts for that person."
                )
            _refuse_more_than_own(request, token.scopes)
        form = TokenRotationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            new, secret = tokens.rotate(token, timedelta(hours=form.validated_data["overlap_hours"]))
        except tokens.CannotRotate as refusal:
            raise Problem(409, str(refusal), code="cannot-rotate") from None
        return _new_token(request, new, secret)


def _token_or_refusal(request: Request, prefix: str) -> ApiToken:
    """The token, if it is the caller's own or of a project that the caller manages. Else 404 or 403."""
    token = get_object_or_404(
        _with_details(ApiToken.objects.filter(project__in=projects(request))), prefix=prefix
    )
    if not _is_own(request, token):
        require_scope(request, Scope.ACCOUNTS)
        require(request, token.project, Scope.ACCOUNTS)
    return token


def _is_own(request: Request, token: ApiToken) -> bool:
    """A token owns itself only. A signed-in person owns all their tokens."""
    if isinstance(request.auth, ApiToken):
        return token.pk == request.auth.pk
    return token.user_id == caller(request).pk


def _with_details(rows: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
    return rows.select_related("project", "user", "replaces")


def _refuse_more_than_own(request: Request, scopes: list[str]) -> None:
    """Otherwise a token could give itself more rights than its issuer chose."""
    if isinstance(request.auth, ApiToken) and (beyond := sorted(set(scopes) - set(request.auth.scopes))):
        raise Problem(
            403, f"This token lacks the scopes {', '.join(beyond)}, so it cannot give them. Leave them out."
        )


def _new_token(request: Request, token: ApiToken, secret: str) -> Response:
    data = {**TokenSerializer(token).data, "secret": secret}
    headers = {"Location": address(request, "api:token", token.prefix)}
    return Response(data, status=201, headers=headers)


def _invalid(refusal: service_accounts.CannotCreate) -> Problem:
    pointer = f"/{refusal.field}" if refusal.field else ""
    return Problem(422, refusal.reason, errors=[{"pointer": pointer, "detail": refusal.reason}])
