"""Identify the caller: a machine by its token, a person by the session of the web pages with CSRF check."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from annotation.accounts import audit
from annotation.accounts.models import ApiToken, AuditEvent
from annotation.accounts.tokens import authenticate
from annotation.api import shared_counts

# How long an address that sent too many unusable tokens has to wait.
TRY_AGAIN_S = 60
SCHEME = 'Bearer realm="GLMR Server"'


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer glmr_…`"""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        address = audit.client_address(request._request)
        failures = f"token-failures/{address}"
        if shared_counts.value(failures) >= settings.GLMR_TOKEN_TRIES:
            raise Throttled(TRY_AGAIN_S, "Too many unusable tokens came from your address.")
        token = authenticate(secret.strip().decode("latin-1"))
        if token is None:
            shared_counts.increase(failures, TRY_AGAIN_S)
            audit.record_once(AuditEvent.Kind.TOKEN_REFUSED, detail="An unknown, expired or revoked token.")
            raise AuthenticationFailed(
                "The token is unknown, expired or revoked. Ask a manager of your project for a new one."
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The token in the OpenAPI schema."""

    target_class = BearerToken
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "glmr_<prefix>_<secret>"}
