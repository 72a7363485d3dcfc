"""The admin: every list opens in a bounded number of queries; nothing computed or decided can be changed."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import ApiToken, Job, JobItem, Library, ModelVersion, Project, Verdict
from annotation.review.actions import decide
from tests.annotation.builders import make_annotation, make_job, make_model_version, make_user

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
    """Six annotated spectra with verdicts, so that a query for each row would show."""
    job = make_job(6)
    superuser = make_user("judge", is_superuser=True)
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
def test_what_must_not_change_cannot(record: str, root: Client, job: Job) -> None:
    assert root.get(reverse(f"admin:annotation_{record}_add")).status_code == 403
    model = next(m for m in MODELS if m._meta.model_name == record)
    row = model._default_manager.first()
    if row is None:
        return
    page = reverse(f"admin:annotation_{record}_change", args=[row.pk])
    assert root.get(page).status_code == 200
    assert root.post(page, {}).status_code == 403
    assert root.post(reverse(f"admin:annotation_{record}_delete", args=[row.pk])).status_code == 403


def test_people_are_added_on_their_project(root: Client) -> None:
    person = make_user("newcomer")
    inline = {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0"}
    member = {"memberships-0-user": person.pk, "memberships-0-role": "curator"}
    sent = {"name": "New lab", "slug": "new-lab", "description": "", **inline, **member}
    root.post(reverse("admin:annotation_project_add"), sent)
    project = Project.objects.get(slug="new-lab")
    assert project.memberships.get().role == "curator"


def test_a_token_shows_its_secret_once_and_can_be_revoked(root: Client, job: Job) -> None:
    sent = {"project": job.project_id, "user": job.submitted_by_id, "name": "LIMS", "scopes": ["read"]}
    page = root.post(reverse("admin:annotation_apitoken_add"), sent, follow=True)
    token = ApiToken.objects.get()
    assert "shown only this once: glmr_" in page.content.decode()
    assert token.scopes == ["read"]
    again = root.get(reverse("admin:annotation_apitoken_change", args=[token.pk])).content.decode()
    assert "only this once" not in again
    assert token.secret_sha256 not in again
    chosen = {"action": "revoke", "_selected_action": [token.pk]}
    root.post(reverse("admin:annotation_apitoken_changelist"), chosen)
    token.refresh_from_db()
    assert not token.is_usable()


def test_exactly_one_model_is_preselected(root: Client) -> None:
    first, second = make_model_version(is_default=True), make_model_version()
    chosen = {"action": "make_default", "_selected_action": [second.pk]}
    root.post(reverse("admin:annotation_modelversion_changelist"), chosen)
    assert list(ModelVersion.objects.filter(is_default=True)) == [second]
    both = {"action": "make_default", "_selected_action": [first.pk, second.pk]}
    root.post(reverse("admin:annotation_modelversion_changelist"), both)
    assert list(ModelVersion.objects.filter(is_default=True)) == [second]


def test_jobs_are_cancelled_and_retried_through_the_ledger(root: Client) -> None:
    job = make_job(2)
    JobItem.objects.filter(job=job, position=0).update(state="failed")
    list_url = reverse("admin:annotation_job_changelist")
    root.post(list_url, {"action": "retry_failed", "_selected_action": [job.pk]})
    assert set(job.items.values_list("state", flat=True)) == {"pending"}
    root.post(list_url, {"action": "cancel", "_selected_action": [job.pk]})
    assert set(job.items.values_list("state", flat=True)) == {"cancelled"}
    items = root.get(reverse("admin:annotation_jobitem_changelist"), {"job__id__exact": job.pk})
    assert items.status_code == 200


def test_a_library_can_be_described_but_not_emptied(root: Client, job: Job) -> None:
    library = Library.objects.get(versions=job.library_version)
    inline = {"versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
    sent = {
        "name": library.name,
        "description": "Known pesticides",
        "license": "CC0",
        "project": "",
        **inline,
    }
    root.post(reverse("admin:annotation_library_change", args=[library.pk]), sent)
    library.refresh_from_db()
    assert library.description == "Known pesticides"
    assert library.versions.exists()
    assert Verdict.objects.count() == 6
