"""URLs of the web pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, path

from annotation.web.views import (
    account,
    annotation,
    design,
    exports,
    help,
    home,
    jobs,
    libraries,
    molecules,
    overview,
    partial,
    references,
    report,
    review,
    service_accounts,
    submit,
    webhooks,
)

# What managers of a project set up.
project_patterns = [
    path("projects/<slug:slug>/service-accounts/", service_accounts.accounts, name="service-accounts"),
    path(
        "projects/<slug:slug>/service-accounts/<uuid:public_id>/",
        service_accounts.account,
        name="service-account",
    ),
    path(
        "projects/<slug:slug>/service-accounts/<uuid:public_id>/close/",
        service_accounts.close,
        name="service-account-close",
    ),
    path(
        "projects/<slug:slug>/tokens/<slug:prefix>/rotate/",
        service_accounts.rotate,
        name="project-token-rotate",
    ),
    path(
        "projects/<slug:slug>/tokens/<slug:prefix>/revoke/",
        service_accounts.revoke,
        name="project-token-revoke",
    ),
    path("projects/<slug:slug>/webhooks/", webhooks.webhooks, name="webhooks"),
    path("projects/<slug:slug>/webhooks/<uuid:public_id>/", webhooks.webhook, name="webhook"),
    *(
        path(f"projects/<slug:slug>/webhooks/<uuid:public_id>/{action}/", view, name=f"webhook-{action}")
        for action, view in (
            ("secret", webhooks.rotate_secret),
            ("test", webhooks.send_test),
            ("enable", webhooks.enable),
            ("disable", webhooks.disable),
            ("remove", webhooks.remove),
        )
    ),
    path(
        "projects/<slug:slug>/webhook-messages/<uuid:public_id>/", webhooks.delivery, name="webhook-delivery"
    ),
    path(
        "projects/<slug:slug>/webhook-messages/<uuid:public_id>/replay/",
        webhooks.replay,
        name="webhook-replay",
    ),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("jobs/", home.job_list, name="job-list"),
    path("about/", home.about, name="about"),
    path("help/", help.page, name="help"),
    path("help/<path:path>", help.page, name="help"),
    path(
        "sign-in/",
        LoginView.as_view(template_name="annotation/sign_in.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("account/", account.account, name="account"),
    path("account/password/", account.PasswordPage.as_view(), name="password"),
    path("account/sessions/<int:pk>/end/", account.end_session, name="session-end"),
    path("account/tokens/<int:pk>/revoke/", account.revoke_token, name="token-revoke"),
    *project_patterns,
    path("submit/", submit.submit, name="submit"),
    path("submit/report/", report.report, name="upload-report"),
    path("submit/report/summary/", report.summary, name="upload-report-summary"),
    path("submit/parts/", partial.begin, name="partial-uploads"),
    path("submit/parts/<uuid:public_id>/", partial.part, name="partial-upload"),
    path("submit/parts/finish/", partial.finish, name="partial-uploads-finish"),
    path("uploads/<int:pk>/issues.csv", submit.issues_csv, name="upload-issues-csv"),
    path("jobs/<uuid:public_id>/", jobs.detail, name="job-detail"),
    path("jobs/<uuid:public_id>/progress/", jobs.job_progress, name="job-progress"),
    path("jobs/<uuid:public_id>/events/", jobs.job_events, name="job-events"),
    path("jobs/<uuid:public_id>/spectra/", jobs.spectra, name="job-spectra"),
    path("jobs/<uuid:public_id>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:public_id>/cancel/confirm/", jobs.confirm_cancel, name="job-cancel-confirm"),
    path("jobs/<uuid:public_id>/resume/", jobs.resume, name="job-resume"),
    path("jobs/<uuid:public_id>/notice/", jobs.notice, name="job-notice"),
    path("jobs/<uuid:public_id>/retry/", jobs.retry, name="job-retry"),
    path("jobs/<uuid:public_id>/run-again/", report.run_again, name="job-run-again"),
    path("jobs/<uuid:public_id>/overview/", overview.overview, name="job-overview"),
    path("jobs/<uuid:public_id>/features/<int:number>/", overview.feature, name="job-feature"),
    path("jobs/<uuid:public_id>/results.csv", jobs.results_csv, name="job-csv"),
    path("jobs/<uuid:public_id>/exports/", exports.job_exports, name="job-exports"),
    path("jobs/<uuid:public_id>/exports/add/", exports.add_export, name="export-add"),
    path("exports/<uuid:public_id>/file/", exports.export_file, name="export-file"),
    path("table-layout/", jobs.table_layout, name="table-layout"),
    path("annotations/<uuid:public_id>/", annotation.detail, name="annotation-detail"),
    path("annotations/<uuid:public_id>/spectrum/", annotation.spectrum_panel, name="annotation-spectrum"),
    path("annotations/<uuid:public_id>/similar/", annotation.similar, name="annotation-similar"),
    path("annotations/<uuid:public_id>/verdicts/", annotation.add_verdict, name="annotation-verdict"),
    path(
        "annotations/<uuid:public_id>/generated/<int:beam_rank>.svg",
        molecules.generated_svg,
        name="generated-svg",
    ),
    path(
        "annotations/<uuid:public_id>/proposed/<int:verdict_id>.svg",
        molecules.proposed_svg,
        name="proposed-svg",
    ),
    path("molecules/<slug:inchikey_first_block>.svg", molecules.molecule_svg, name="molecule-svg"),
    path("review/", review.queue, name="review-queue"),
    path("libraries/", libraries.library_list, name="libraries"),
    path("libraries/versions/<int:pk>/", libraries.library_version, name="library-version"),
    path("libraries/versions/<int:pk>/issues.csv", libraries.row_issues_csv, name="library-issues-csv"),
    path("references/versions/<int:pk>/", references.version, name="reference-version"),
    path("references/<slug:slug>/publish/", references.publish_accepted, name="publish-references"),
    path("models/", libraries.model_list, name="models"),
    path("status/", libraries.status, name="status"),
    path("components/", design.components, name="components"),
]
