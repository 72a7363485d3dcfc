"""Routes of the REST interface, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from annotation.api.views import (
    accounts,
    annotate,
    catalogue,
    changes,
    documents,
    exports,
    imports,
    jobs,
    molecules,
    parts,
    pictures,
    results,
    spectra,
    status,
    webhooks,
)

app_name = "api"

urlpatterns = [
    path("annotate", annotate.AnnotateView.as_view(), name="annotate"),
    path("jobs", jobs.JobsView.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>", jobs.JobView.as_view(), name="job"),
    path("jobs/<uuid:job_id>/cancel", jobs.CancelView.as_view(), name="job-cancel"),
    path("jobs/<uuid:job_id>/resume", jobs.ResumeView.as_view(), name="job-resume"),
    path("jobs/<uuid:job_id>/retry", jobs.RetryView.as_view(), name="job-retry"),
    path("jobs/<uuid:job_id>/items", jobs.ItemsView.as_view(), name="job-items"),
    path("jobs/<uuid:job_id>/results", results.ResultsView.as_view(), name="job-results"),
    path("jobs/<uuid:job_id>/results.csv", results.CsvView.as_view(), name="job-csv"),
    path("jobs/<uuid:job_id>/exports", exports.JobExportsView.as_view(), name="job-exports"),
    path("changes", changes.ChangesView.as_view(), name="changes"),
    path("exports/<uuid:export_id>", exports.ExportView.as_view(), name="export"),
    path("exports/<uuid:export_id>/file", exports.ExportFileView.as_view(), name="export-file"),
    path("annotations/<uuid:public_id>", results.AnnotationDetailView.as_view(), name="annotation"),
    path(
        "annotations/<uuid:public_id>/candidates/<slug:inchikey_first_block>",
        results.CandidateDetailView.as_view(),
        name="candidate",
    ),
    path(
        "annotations/<uuid:public_id>/candidates/<slug:inchikey_first_block>/structure.svg",
        pictures.StructurePictureView.as_view(),
        name="candidate-svg",
    ),
    path("annotations/<uuid:public_id>/verdicts", results.VerdictsView.as_view(), name="verdicts"),
    path("uploads", catalogue.UploadsView.as_view(), name="uploads"),
    path("uploads/<int:pk>", catalogue.UploadView.as_view(), name="upload"),
    path("uploads/<int:pk>/features", catalogue.UploadFeaturesView.as_view(), name="upload-features"),
    path("uploads/<int:pk>/spectra/<int:index>", spectra.SpectrumView.as_view(), name="spectrum"),
    path(
        "uploads/<int:pk>/spectra/<int:index>/spectrum.svg",
        pictures.SpectrumPictureView.as_view(),
        name="spectrum-svg",
    ),
    path("features", spectra.FeaturesView.as_view(), name="features"),
    path("spectra", spectra.SpectraView.as_view(), name="spectra"),
    path("uploads/<int:pk>/issues", catalogue.UploadIssuesView.as_view(), name="upload-issues"),
    path("projects", catalogue.ProjectsView.as_view(), name="projects"),
    path("libraries", catalogue.LibrariesView.as_view(), name="libraries"),
    path(
        "libraries/<path:name>/versions/<int:number>",
        catalogue.LibraryVersionView.as_view(),
        name="library-version",
    ),
    path("libraries/<path:name>/versions", imports.LibraryVersionsView.as_view(), name="library-versions"),
    path(
        "references/<path:name>/versions", imports.ReferenceVersionsView.as_view(), name="reference-versions"
    ),
    path("imports", imports.ImportsView.as_view(), name="imports"),
    path("imports/<uuid:import_id>", imports.ImportView.as_view(), name="import"),
    path("imports/<uuid:import_id>/publish", imports.PublishView.as_view(), name="import-publish"),
    path("imports/<uuid:import_id>/rejected.csv", imports.RejectedView.as_view(), name="import-rejected"),
    path("parts", parts.PartsView.as_view(), name="parts"),
    path("parts/<uuid:part_id>", parts.PartView.as_view(), name="part"),
    path("molecules", molecules.MoleculesView.as_view(), name="molecules"),
    path("molecules/<slug:inchikey>", molecules.MoleculeView.as_view(), name="molecule"),
    path("references", catalogue.ReferencesView.as_view(), name="references"),
    path("models", catalogue.ModelsView.as_view(), name="models"),
    path("service-accounts", accounts.ServiceAccountsView.as_view(), name="service-accounts"),
    path("service-accounts/<uuid:account_id>", accounts.ServiceAccountView.as_view(), name="service-account"),
    path(
        "service-accounts/<uuid:account_id>/tokens",
        accounts.ServiceAccountTokensView.as_view(),
        name="service-account-tokens",
    ),
    path("tokens", accounts.TokensView.as_view(), name="tokens"),
    path("tokens/<slug:prefix>", accounts.TokenView.as_view(), name="token"),
    path("tokens/<slug:prefix>/rotate", accounts.TokenRotationView.as_view(), name="token-rotate"),
    path("webhooks", webhooks.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<uuid:webhook_id>", webhooks.WebhookView.as_view(), name="webhook"),
    path("webhooks/<uuid:webhook_id>/enable", webhooks.WebhookEnableView.as_view(), name="webhook-enable"),
    path("webhooks/<uuid:webhook_id>/secret", webhooks.WebhookSecretView.as_view(), name="webhook-secret"),
    path("webhooks/<uuid:webhook_id>/test", webhooks.WebhookTestView.as_view(), name="webhook-test"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries",
        webhooks.WebhookDeliveriesView.as_view(),
        name="webhook-deliveries",
    ),
    path(
        "webhook-deliveries/<uuid:delivery_id>",
        webhooks.WebhookDeliveryView.as_view(),
        name="webhook-delivery",
    ),
    path(
        "webhook-deliveries/<uuid:delivery_id>/replay",
        webhooks.WebhookReplayView.as_view(),
        name="webhook-replay",
    ),
    path("status", status.StatusView.as_view(), name="status"),
    path("schema", documents.SchemaView.as_view(), name="schema"),
    path("docs", documents.DocsView.as_view(), name="docs"),
]
