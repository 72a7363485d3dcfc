"""The demonstration on the pages: who measured it, how often rank 1 is right, and the answer when asked."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.accounts.demonstration import JOB_EXTERNAL_ID, PROJECT_SLUG
from annotation.models import Annotation, Job, Project, Role
from annotation.web.demonstration import RightAnswers, right_answers
from models_ml.demonstration.files import Answer, published_answers
from tests.annotation.builders import (
    make_annotation,
    make_job,
    make_library_version,
    make_project,
    make_spectrum,
    make_upload,
    make_user,
)
from tests.annotation.web.dom import Dom

AUTHORS = "Beck B, Stravs M, Eawag"
LISTED, LEFT_OUT = (
    next(answer for answer in published_answers() if answer.is_in_library is listed)
    for listed in (True, False)
)
OTHER = "CC(C)Cc1ccc(C(C)C(=O)O)cc1"


@pytest.fixture
def project(db: None) -> Project:
    return make_project(slug=PROJECT_SLUG, name="Demonstration")


def annotate(project: Project, answers: list[Answer], *, first: str = OTHER, external_id: str = "") -> Job:
    """A finished job. Rank 1 is `first`, rank 2 the molecule of the first answer; the second abstains."""
    user = make_user()
    upload = make_upload(project, user)
    spectra = [
        make_spectrum(
            upload,
            title=answer.accessions[0],
            license="CC BY",
            metadata={"AUTHORS": AUTHORS, "LICENSE": "CC BY"},
        )
        for answer in answers
    ]
    version = make_library_version(smiles=(first, answers[0].smiles))
    job_row = make_job(
        project=project, user=user, spectra=spectra, library_version=version, external_id=external_id
    )
    for item in job_row.items.order_by("position"):
        make_annotation(item, fused=True, abstains=item.position > 0)
    Job.objects.filter(pk=job_row.pk).update(finished_at=timezone.now())
    return job_row


def viewer(project: Project) -> Client:
    client = Client()
    user = make_user()
    project.memberships.create(user=user, role=Role.CURATOR)
    client.force_login(user)
    return client


def page(project: Project, annotation: Annotation, query: str = "") -> Dom:
    return Dom(viewer(project).get(reverse("annotation-detail", args=[annotation.public_id]) + query))


def test_right_answers_are_counted_apart_from_molecules_that_were_left_out(project: Project) -> None:
    job = annotate(project, [LISTED, LEFT_OUT], external_id=JOB_EXTERNAL_ID)
    assert right_answers(job) == RightAnswers(0, 1, 1, 1)
    job = annotate(project, [LISTED, LEFT_OUT], first=LISTED.smiles, external_id=JOB_EXTERNAL_ID)
    assert right_answers(job) == RightAnswers(1, 1, 1, 1)
    dom = Dom(viewer(project).get(reverse("job-detail", args=[job.public_id])))
    assert dom.get("[data-right-answers]").get("data-right-answers") == "1"


def test_another_job_of_the_project_has_no_such_note(project: Project) -> None:
    job = annotate(project, [LISTED])
    dom = Dom(viewer(project).get(reverse("job-detail", args=[job.public_id])))
    assert not dom.has("[data-notice=demonstration]")


def test_the_page_names_who_measured_and_hides_the_answer(project: Project) -> None:
    annotation = Annotation.objects.get(job=annotate(project, [LISTED], external_id=JOB_EXTERNAL_ID))
    dom = page(project, annotation)
    for part in ("[data-notice=credits]", "#provenance"):
        shown = dom.text(part)
        assert AUTHORS in shown
        assert LISTED.accessions[0] in shown
        assert "CC BY" in shown
    assert LISTED.name not in dom.text()
    assert "?answer=shown#published" in dom.values("[data-notice=credits] a", "href")


def test_the_answer_is_shown_on_request_with_its_rank(project: Project) -> None:
    job = annotate(project, [LISTED, LEFT_OUT], external_id=JOB_EXTERNAL_ID)
    listed, left_out = Annotation.objects.filter(job=job).order_by("pk")
    shown = page(project, listed, "?answer=shown")
    assert LISTED.name in shown.text("[data-notice=published-answer]")
    assert "rank 2" in shown.text("[data-notice=published-answer]")
    assert "left out" in page(project, left_out, "?answer=shown").text("[data-notice=published-answer]")


def test_another_project_is_not_told_the_answer(db: None) -> None:
    project = make_project(slug="river")
    annotation = Annotation.objects.get(job=annotate(project, [LISTED]))
    dom = page(project, annotation, "?answer=shown")
    assert not dom.has("[data-notice=published-answer]")
    assert AUTHORS in dom.text("[data-notice=credits]")


def test_a_spectrum_without_authors_has_no_credits(project: Project) -> None:
    annotation = make_annotation(make_job(1, project=project).items.get(), fused=True)
    assert not page(project, annotation).has("[data-notice=credits]")
