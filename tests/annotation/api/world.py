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
    Annotation,
    ApiToken,
    Export,
    Library,
    LibraryVersion,
    Membership,
    ModelVersion,
    PartialUpload,
    Project,
    ReferenceCollection,
    Role,
    ServiceAccount,
    VersionImport,
    WebhookDelivery,
)
from annotation.spectra import partial
from tests.annotation.builders import (
    SMILES,
    make_annotation,
    make_import,
    make_job,
    make_library_version,
    make_model_version,
    make_project,
    make_reference_version,
    make_user,
)
from tests.annotation.webhooks.builders import make_delivery, make_webhook

Scope = ApiToken.Scope
# Words that tests look for in the answers to others.
PRIVATE = "Private secret-order"
PRIVATE_SMILES = "OC(=O)c1ccccc1NC1CCCC1"
# What some operations need in the address.
QUERIES = {
    ("get", "/api/v1/molecules"): "?q=compound",
    ("post", "/api/v1/parts/{part_id}"): "?offset=0",
}

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


def make_private_result(world: World, name: str = "Private", /, **job: Any) -> Annotation:
    """A result of a library that only the project sees. Its last molecule is in no other library."""
    library = Library.objects.create(name=name, project=world.project)
    version = make_library_version((*SMILES, PRIVATE_SMILES), world.model, library=library)
    make_reference_version(ReferenceCollection.objects.create(name=name, project=world.project))
    made = make_job(1, world.project, world.user, model_version=world.model, library_version=version, **job)
    return make_annotation(made.items.get())


def filled(path: str, annotation: Annotation, by: User | None = None) -> str:
    """The address for a path of the schema, of what belongs to the project of the annotation.

    What a path can name is made where it is missing.

    `by` is the member who sends a file in parts, which nobody else may continue.
    """
    job = annotation.job
    sender = by or job.submitted_by
    entry = job.library_version.entries.latest("row_number")
    checked = VersionImport.objects.filter(project=job.project, state=VersionImport.State.CHECKED)
    parts = PartialUpload.objects.filter(project=job.project, user=sender)
    return path.format(
        job_id=job.public_id,
        public_id=annotation.public_id,
        inchikey_first_block=annotation.candidates.get(rank=1).molecule.inchikey_first_block,
        inchikey=entry.molecule.inchikey_first_block,
        id=annotation.spectrum.upload_id,
        index=annotation.spectrum.source_index,
        name=job.library_version.library.name,
        number=job.library_version.number,
        import_id=(checked.first() or make_import(sender, project=job.project, name=PRIVATE)).public_id,
        part_id=(parts.first() or partial.begin(job.project, sender, PRIVATE, 5)).public_id,
        export_id=Export.objects.get_or_create(job=job, requested_by=job.submitted_by)[0].public_id,
        **make_managed(job.project),
    )


def make_managed(project: Project) -> dict[str, Any]:
    """The parts of addresses that only managers of the project may open, made where they are missing."""
    account = ServiceAccount.objects.filter(project=project, closed_at=None).first()
    if account is None:
        name = f"lims-{ServiceAccount.objects.count()}"
        account = create(project=project, name=name, role=Role.MANAGER, by=None)
    token = ApiToken.objects.filter(user=account.user, revoked_at=None, replaced_by=None).first()
    if token is None:
        token, _ = issue_token(account, name="", scopes=["accounts"], days=None)
    deliveries = WebhookDelivery.objects.filter(webhook__project=project)
    delivery = deliveries.first() or make_delivery(make_webhook(project=project))
    return {
        "account_id": account.public_id,
        "prefix": token.prefix,
        "webhook_id": delivery.webhook.public_id,
        "delivery_id": delivery.public_id,
    }
