"""Every page of the site for one world of records, and the addresses that are no page.

An address of the URL configuration that is in neither list fails test_accessibility.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib import admin
from django.db.models import Model
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from annotation.accounts.service_accounts import create, issue_token
from annotation.models import Annotation, JobItem, Membership, ReferenceCollection, Role
from annotation.webhooks import ledger
from annotation.webhooks.actions import add, disable, send_test
from tests.annotation.builders import (
    SMILES,
    make_annotation,
    make_import,
    make_job,
    make_library_version,
    make_reference_spectra,
    make_reference_version,
)
from tests.annotation.web.world import World

NO_PAGES = {
    "a part of a page": {
        *("job-list", "job-progress", "job-spectra", "job-exports", "annotation-spectrum"),
        *("upload-report-summary", "import-state"),
    },
    "a file, a picture or a stream": {
        *("job-csv", "export-file", "upload-issues-csv", "library-issues-csv", "job-events", "healthz"),
        *("molecule-svg", "generated-svg", "proposed-svg", "import-rejected-csv", "reference-issues-csv"),
    },
    "the target of a form": {
        *(
            "logout",
            "session-end",
            "token-revoke",
            "partial-uploads",
            "partial-upload",
            "partial-uploads-finish",
        ),
        *("job-cancel", "job-resume", "job-notice", "job-retry", "export-add", "table-layout"),
        *("annotation-verdict", "publish-references", "import-publish", "import-discard"),
        *("service-account-close", "project-token-rotate", "project-token-revoke", "webhook-replay"),
        *("webhook-secret", "webhook-test", "webhook-enable", "webhook-disable", "webhook-remove"),
    },
    "leads to another page": {"job-feature", "job-run-again"},
}
# Django shows all kinds of rows by the same few templates, so these stand for the others: forms with and
# without rows within them, rows that may not be changed, filters and actions.
ADMIN_KINDS = ("user", "project", "job", "annotation", "libraryversion")


@dataclass(frozen=True, slots=True)
class SitePage:
    name: str  # of the address, in the URL configuration
    path: str
    status: int = 200


def named_addresses() -> set[str]:
    """The names of all addresses outside the administration and the REST interface."""

    def names(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                yield pattern.name or str(pattern.pattern)
            elif pattern.app_name not in ("admin", "api"):
                yield from names(pattern.url_patterns)

    return set(names(get_resolver().url_patterns))


def site_pages(world: World) -> list[SitePage]:
    """All pages for the administrator, who becomes a curator. Makes the records that they need."""
    Membership.objects.create(project=world.project, user=world.people["admin"], role=Role.CURATOR)
    likely = _fused(world)
    unsure = _fused(world, p_right=0.04, p_absent=0.9, abstains=True)
    waiting = make_job(2, project=world.project, user=world.people["submitter"], name="Waiting batch")
    waiting.items.filter(position=0).update(state=JobItem.State.CANCELLED)
    collection = ReferenceCollection.objects.create(name="Own standards")
    references = make_reference_version(collection)
    spectrum = make_reference_spectra(collection, [SMILES[0]]).spectra.get()
    make_library_version(SMILES[1:], library=world.job.library_version.library)
    imports = [make_import(world.people["admin"], state=state) for state in ("checking", "checked", "failed")]
    job, annotation = [world.job.public_id], [world.annotation.public_id]
    upload = world.annotation.spectrum.upload_id
    simple = ("home", "about", "help", "account", "password", "submit", "review-queue", "libraries")
    return [
        *(SitePage(name, reverse(name)) for name in (*simple, "models", "status", "components")),
        SitePage("upload-report", f"{reverse('upload-report')}?upload={upload}"),
        SitePage("job-detail", reverse("job-detail", args=job)),
        SitePage("job-detail", reverse("job-detail", args=[likely.job.public_id])),
        SitePage("job-detail", reverse("job-detail", args=[waiting.public_id])),
        SitePage("job-cancel-confirm", reverse("job-cancel-confirm", args=[waiting.public_id])),
        SitePage("job-overview", reverse("job-overview", args=job)),
        SitePage("job-overview", reverse("job-overview", args=[likely.job.public_id])),
        *(
            SitePage("annotation-detail", reverse("annotation-detail", args=[shown.public_id]))
            for shown in (world.annotation, likely, unsure)
        ),
        SitePage("annotation-similar", reverse("annotation-similar", args=annotation)),
        SitePage("library-version", reverse("library-version", args=[world.job.library_version_id])),
        *(
            SitePage("molecules", f"{reverse('molecules')}{query}")
            for query in ("", "?q=compound", "?q=180.0423&kind=mass&ppm=20", "?q=nothing", "?q=x&kind=mass")
        ),
        SitePage("molecule", reverse("molecule", args=["BSYNRYMUTXBXSQ"])),
        SitePage("reference-version", reverse("reference-version", args=[references.pk])),
        SitePage("reference", reverse("reference", args=[references.collection_id])),
        SitePage("reference-spectrum", reverse("reference-spectrum", args=[spectrum.pk])),
        SitePage("library", reverse("library", args=[world.job.library_version.library_id])),
        SitePage("library-import", reverse("library-import")),
        SitePage("reference-import", reverse("reference-import")),
        *(SitePage("import-detail", reverse("import-detail", args=[row.public_id])) for row in imports),
        SitePage("error", "/no-such-page/", status=404),
    ]


def project_pages(world: World) -> list[SitePage]:
    """For the administrator: what managers of a project set up, with a row of each kind."""
    slug, admin_user = world.project.slug, world.people["admin"]
    account = create(project=world.project, name="lims", role=Role.SUBMITTER, by=admin_user)
    issue_token(account, name="", scopes=["submit"], days=None)
    webhook = add(
        project=world.project, url="https://lims.example.org/hooks", events=["job.finished"], by=None
    )
    stopped = add(
        project=world.project, url="https://old.example.org/hooks", events=["job.finished"], by=None
    )
    delivery = send_test(webhook, admin_user)
    ledger.claim()
    disable(stopped, admin_user)
    return [
        SitePage("service-accounts", reverse("service-accounts", args=[slug])),
        SitePage("service-account", reverse("service-account", args=[slug, account.public_id])),
        SitePage("webhooks", reverse("webhooks", args=[slug])),
        SitePage("webhook", reverse("webhook", args=[slug, webhook.public_id])),
        SitePage("webhook", reverse("webhook", args=[slug, stopped.public_id])),
        SitePage("webhook-delivery", reverse("webhook-delivery", args=[slug, delivery.public_id])),
    ]


def admin_pages(world: World) -> list[SitePage]:
    """The index, and of ADMIN_KINDS the list, the form that adds, and a stored row."""
    request = RequestFactory().get("/")
    request.user = world.people["admin"]
    pages = [SitePage("admin:index", reverse("admin:index"))]
    for model, options in admin.site._registry.items():
        if model._meta.model_name not in ADMIN_KINDS:
            continue
        address = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(SitePage(address, reverse(f"{address}_changelist")))
        if options.has_add_permission(request):
            pages.append(SitePage(address, reverse(f"{address}_add")))
        if (row := _first(model)) is not None:
            pages.append(SitePage(address, reverse(f"{address}_change", args=[row.pk])))
    return pages


def _first(model: type[Model]) -> Model | None:
    return model._default_manager.order_by("pk").first()


def _fused(world: World, **overrides: object) -> Annotation:
    job = make_job(1, project=world.project, user=world.people["submitter"], name="Fused batch")
    return make_annotation(job.items.get(), fused=True, **overrides)
