"""The admin: lists open in a bounded number of queries; results and verdicts cannot be changed."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import (
    ApiToken,
    Job,
    JobItem,
    Library,
    LibraryEmbedding,
    ModelVersion,
    Project,
    Verdict,
)
from annotation.results.view import CandidateView, GeneratedView, VerdictView
from annotation.results.view_fields import view_fields
from annotation.review.actions import decide
from tests.annotation.builders import (
    add_candidate,
    make_annotation,
    make_job,
    make_library_version,
    make_model_version,
    make_user,
)

MODELS = [model for model in admin.site._registry if model._meta.app_label == "annotation"]
RECORDS = sorted(model._meta.model_name or "" for model in MODELS)
EDITABLE = {"project", "membership", "library", "referencecollection", "apitoken"}


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def job(root: Client) -> Job:
    """Six annotated spectra with verdicts, enough to notice a query for each row."""
    job = make_job(6)
    superuser = make_user("reviewer", is_superuser=True)
    for item in job.items.all():
        annotation = make_annotation(item)
        decide(annotation=annotation, user=superuser, decision="accept", seen_verdict_id=None)
    return job


@pytest.mark.parametrize("record", RECORDS)
def test_lists_open_in_a_bounded_number_of_queries(
    record: str, root: Client, job: Job, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(14):
        assert root.get(reverse(f"admin:annotation_{record}_changelist")).status_code == 200
    assert root.get(reverse(f"admin:annotation_{record}_changelist"), {"q": "a"}).status_code == 200


@pytest.mark.parametrize("record", [name for name in RECORDS if name not in EDITABLE])
def test_read_only_records_cannot_be_changed(record: str, root: Client, job: Job) -> None:
    assert root.get(reverse(f"admin:annotation_{record}_add")).status_code == 403
    model = next(m for m in MODELS if m._meta.model_name == record)
    row = model._default_manager.first()
    if row is None:
        return
    page = reverse(f"admin:annotation_{record}_change", args=[row.pk])
    assert root.get(page).status_code == 200
    assert root.post(page, {}).status_code == 403
    assert root.post(reverse(f"admin:annotation_{record}_delete", args=[row.pk])).status_code == 403


def test_members_are_added_on_the_page_of_their_project(root: Client) -> None:
    person = make_user("newcomer")
    inline = {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0"}
    member = {"memberships-0-user": person.pk, "memberships-0-role": "curator"}
    form = {"name": "New lab", "slug": "new-lab", "description": "", **inline, **member}
    root.post(reverse("admin:annotation_project_add"), form)
    project = Project.objects.get(slug="new-lab")
    assert project.memberships.get().role == "curator"


def test_a_token_shows_its_secret_once_and_can_be_revoked(root: Client, job: Job) -> None:
    form = {"project": job.project_id, "user": job.submitted_by_id, "name": "LIMS", "scopes": ["read"]}
    page = root.post(reverse("admin:annotation_apitoken_add"), form, follow=True)
    token = ApiToken.objects.get()
    assert f"glmr_{token.prefix}_" in page.content.decode()
    assert token.scopes == ["read"]
    later = root.get(reverse("admin:annotation_apitoken_change", args=[token.pk])).content.decode()
    assert f"glmr_{token.prefix}_" not in later
    assert token.secret_sha256 not in later
    action = {"action": "revoke_tokens", "_selected_action": [token.pk]}
    root.post(reverse("admin:annotation_apitoken_changelist"), action)
    token.refresh_from_db()
    assert not token.is_usable()


def test_exactly_one_model_is_the_default(root: Client) -> None:
    first, second = make_model_version(is_default=True), make_model_version()
    version = make_library_version()
    action = {"action": "make_default", "_selected_action": [second.pk]}
    root.post(reverse("admin:annotation_modelversion_changelist"), action)
    assert list(ModelVersion.objects.filter(is_default=True)) == [second]
    assert LibraryEmbedding.objects.get(version=version).model_version == second
    both = {"action": "make_default", "_selected_action": [first.pk, second.pk]}
    root.post(reverse("admin:annotation_modelversion_changelist"), both)
    assert list(ModelVersion.objects.filter(is_default=True)) == [second]


def test_jobs_can_be_cancelled_and_retried(root: Client) -> None:
    job = make_job(2)
    JobItem.objects.filter(job=job, position=0).update(state="failed")
    list_url = reverse("admin:annotation_job_changelist")
    root.post(list_url, {"action": "retry_failed", "_selected_action": [job.pk]})
    assert set(job.items.values_list("state", flat=True)) == {"pending"}
    root.post(list_url, {"action": "cancel", "_selected_action": [job.pk]})
    assert set(job.items.values_list("state", flat=True)) == {"cancelled"}
    items = root.get(reverse("admin:annotation_jobitem_changelist"), {"job__id__exact": job.pk})
    assert items.status_code == 200


def test_a_library_can_be_described_but_keeps_its_versions(root: Client, job: Job) -> None:
    library = Library.objects.get(versions=job.library_version)
    inline = {"versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
    form = {
        "name": library.name,
        "description": "Known pesticides",
        "license": "CC0",
        "project": "",
        **inline,
    }
    root.post(reverse("admin:annotation_library_change", args=[library.pk]), form)
    library.refresh_from_db()
    assert library.description == "Known pesticides"
    assert library.versions.exists()
    assert Verdict.objects.count() == 6


def test_the_page_of_an_annotation_shows_every_field_of_its_lists(
    root: Client, job: Job, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    annotation = job.annotations.select_related("top_molecule").first()
    assert annotation is not None
    assert annotation.top_molecule is not None
    with django_assert_max_num_queries(14):
        page = root.get(reverse("admin:annotation_annotation_change", args=[annotation.pk]))
    inlines = {
        inline.opts.model.__name__: {column["label"] for column in inline.fields()}
        for inline in page.context["inline_admin_formsets"]
    }
    assert {field.name.replace("_", " ") for field in view_fields(CandidateView)} - {"name"} < inlines[
        "Candidate"
    ]
    assert {field.name.replace("_", " ") for field in view_fields(GeneratedView)} == inlines[
        "GeneratedMolecule"
    ]
    assert {field.name.replace("_", " ") for field in view_fields(VerdictView)} == inlines["Verdict"]
    assert annotation.top_molecule.smiles in page.content.decode()


def test_evidence_has_the_current_channel_names(root: Client) -> None:
    annotation = make_annotation(fused=True)
    add_candidate(annotation, evidence={"explained": 0.25})
    page = root.get(reverse("admin:annotation_annotation_change", args=[annotation.pk])).content.decode()
    assert "fragment_coverage" in page
    assert "explained&#x27;" not in page
