"""Submitting: files are read, the report says what was found, and the job holds the usable spectra."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pytest_django import Settings

from annotation.models import Job, Upload
from tests.annotation.builders import make_project
from tests.annotation.web.world import World

GOOD = b"BEGIN IONS\nTITLE=one\nPEPMASS=181.0495\nCHARGE=1+\nADDUCT=[M+H]+\n65.04 12\n121.03 100\nEND IONS\n"
NO_ADDUCT = b"BEGIN IONS\nTITLE=two\nPEPMASS=195.0877\n110.07 12\n138.07 100\nEND IONS\n"
NO_PEAKS = b"BEGIN IONS\nTITLE=three\nPEPMASS=195.0877\nEND IONS\n"


def given(world: World, *files: tuple[str, bytes], **changes: Any) -> dict[str, Any]:
    job = world.job
    return {
        "project": world.project.pk,
        "spectra": [SimpleUploadedFile(name, content) for name, content in files],
        "library_version": job.library_version_id,
        "model_version": job.model_version_id,
        "precursor_tolerance_ppm": "7.5",
        **changes,
    }


def test_a_file_becomes_a_report_and_then_a_job(world: World) -> None:
    client = world.client("submitter")
    first = client.post(reverse("submit"), given(world, ("a.mgf", GOOD + NO_PEAKS), name="Mine"))
    assert first.status_code == 302
    report = first.headers["Location"]

    page = client.get(report).content.decode()
    assert "Annotate 1 spectrum" in page
    assert "no peaks" in page
    assert 'value="Mine"' in page
    assert 'value="7.5"' in page

    assert '<option value="fused" selected>' in page
    sent = {name: values[0] for name, values in parse_qs(urlsplit(report).query).items()}
    started = client.post(report, sent | {"positive_adduct": "[M+Na]+"})
    job = Job.objects.latest("pk")
    assert started.headers["Location"] == reverse("job-detail", args=[job.public_id])
    assert (job.name, job.items.count(), job.submitted_by.username) == ("Mine", 1, "sam")
    assert job.params["precursor_tolerance_ppm"] == 7.5
    assert job.params["assumed_adducts"] == {"positive": "[M+Na]+"}
    assert job.params["method"] == "fused"


def test_the_method_is_chosen_and_kept_through_both_steps(world: World) -> None:
    client = world.client("submitter")
    report = client.post(reverse("submit"), given(world, ("a.mgf", GOOD), method="glmr")).headers["Location"]
    assert '<option value="glmr" selected>' in client.get(report).content.decode()
    sent = {name: values[0] for name, values in parse_qs(urlsplit(report).query).items()}
    client.post(report, sent)
    assert Job.objects.latest("pk").params["method"] == "glmr"


def test_an_unknown_method_is_told_which_there_are(world: World) -> None:
    response = world.client("submitter").post(
        reverse("submit"), given(world, ("a.mgf", GOOD), method="mystery")
    )
    assert response.status_code == 422
    assert "“mystery” is no method. It is one of fused, glmr." in response.content.decode()


def test_a_missing_adduct_is_said_before_anything_runs(world: World) -> None:
    client = world.client("submitter")
    report = client.post(reverse("submit"), given(world, ("a.mgf", GOOD + NO_ADDUCT))).headers["Location"]
    assert "1 of 2 names no adduct" in client.get(report).content.decode()


def test_a_bad_file_gives_the_form_again_with_the_reason(world: World) -> None:
    response = world.client("submitter").post(reverse("submit"), given(world, ("a.mgf", b"\x00\x01" * 400)))
    assert response.status_code == 422
    refused = Upload.objects.get(state=Upload.State.REFUSED)
    assert "a.mgf: " in response.content.decode()
    assert refused.refusal


def test_one_bad_file_never_sinks_the_others(world: World) -> None:
    client = world.client("submitter")
    response = client.post(
        reverse("submit"), given(world, ("bad.mgf", b"\x00\x01" * 400), ("good.mgf", GOOD))
    )
    page = client.get(response.headers["Location"]).content.decode()
    assert "The whole file was refused." in page
    assert "Annotate 1 spectrum" in page


@pytest.mark.parametrize(
    ("field", "value"),
    [("precursor_tolerance_ppm", "0"), ("library_version", "999999"), ("positive_adduct", "[M+Xx]+")],
)
def test_what_the_form_refuses(field: str, value: str, world: World) -> None:
    response = world.client("submitter").post(
        reverse("submit"), given(world, ("a.mgf", GOOD), **{field: value})
    )
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode()
    assert not Upload.objects.filter(file_name="a.mgf").exists()


def test_no_file_is_said(world: World) -> None:
    response = world.client("submitter").post(reverse("submit"), given(world))
    assert response.status_code == 422


def test_nobody_submits_to_another_project(world: World) -> None:
    elsewhere = make_project()
    response = world.client("submitter").post(
        reverse("submit"), given(world, ("a.mgf", GOOD), project=elsewhere.pk)
    )
    assert response.status_code == 422
    assert not Upload.objects.filter(project=elsewhere).exists()


def test_an_oversized_upload_gets_a_page_of_its_own(world: World, settings: Settings) -> None:
    settings.GLMR_MAX_UPLOAD_BYTES = 10
    settings.DEBUG = False
    big = given(world, ("a.mgf", GOOD * 20_000))
    response = world.client("submitter").post(reverse("submit"), big)
    assert response.status_code == 413
    assert "This upload is too large" in response.content.decode()


def test_issues_download_is_safe_in_a_spreadsheet(world: World) -> None:
    client = world.client("submitter")
    named = NO_PEAKS.replace(b"three", b"=HYPERLINK(1)")
    client.post(reverse("submit"), given(world, ("a.mgf", GOOD + named)))
    upload = Upload.objects.latest("pk")
    response = client.get(reverse("upload-issues-csv", args=[upload.pk]))
    assert "'=HYPERLINK(1)" in b"".join(response).decode()


@pytest.mark.parametrize("query", ["", "?upload=", "?upload=x", "?upload=99999999999999999999", "?upload=0"])
def test_a_report_needs_an_upload(query: str, world: World) -> None:
    assert world.client("submitter").get(reverse("upload-report") + query).status_code == 404
