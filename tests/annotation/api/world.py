"""A project with what most tests need, and clients with the tokens of its members."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from annotation.accounts.service_accounts import create, issue_token
from annotation.accounts.tokens import issue
from annotation.models import (
    ApiToken,
    LibraryVersion,
    Membership,
    ModelVersion,
    Project,
    Role,
    ServiceAccount,
    WebhookDelivery,
)
from tests.annotation.builders import make_library_version, make_model_version, make_project, make_user
from tests.annotation.webhooks.builders import make_delivery, make_webhook

Scope = ApiToken.Scope

ASPIRIN = {
    "external_id": "vial-7",
    "precursor_mz": 181.0495,
    "adduct": "[M+H]+",
    "ion_mode": "positive",
    "collision_energy": "30 eV",
    "peaks": [[65.0386, 12.0], [121.0284, 100.0], [139.0390, 40.0], [163.0390, 7.5]],
}


@dataclass(frozen=True)
class World:
    """A project, its manager, the default model and a library version."""

    project: Project
    user: User
    model: ModelVersion
    version: LibraryVersion

    def client(
        self, role: Role = Role.MANAGER, scopes: Iterable[ApiToken.Scope] = tuple(Scope), **token: Any
    ) -> APIClient:
        """A client with the token of a new member of the project in this role."""
        user = make_user()
        Membership.objects.create(project=self.project, user=user, role=role)
        return client_for(self.project, user, scopes, **token)

    def job(self, **overrides: Any) -> dict[str, Any]:
        """A body for POST /jobs."""
        return {"library": self.version.library.name, "spectra": [ASPIRIN], **overrides}


def client_for(
    project: Project, user: User, scopes: Iterable[ApiToken.Scope] = tuple(Scope), **token: Any
) -> APIClient:
    _, secret = issue(project=project, user=user, name="test", scopes=scopes, **token)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def make_world() -> World:
    user = make_user()
    model = make_model_version(is_default=True)
    return World(make_project(user), user, model, make_library_version(model_version=model))


def make_managed(project: Project) -> dict[str, Any]:
    """The parts of addresses that only managers of the project may open, made at the first call."""
    account = ServiceAccount.objects.filter(project=project).first()
    if account is None:
        account = create(project=project, name="lims", role=Role.SUBMITTER, by=None)
        issue_token(account, name="", scopes=["submit"], days=None)
        make_delivery(make_webhook(project=project))
    delivery = WebhookDelivery.objects.get(webhook__project=project)
    return {
        "account_id": account.public_id,
        "prefix": ApiToken.objects.get(user=account.user).prefix,
        "webhook_id": delivery.webhook.public_id,
        "delivery_id": delivery.public_id,
    }
