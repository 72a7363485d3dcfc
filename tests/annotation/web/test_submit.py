"""Submission: the server reads the files and reports on them; the job gets the usable spectra."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pytest_django import Settings

from annotation.models import Job, Upload
from tests.annotation.builders import make_project
from tests.annotation.web.dom import Dom, Response
from tests.annotation.web.world import World

GOOD = b"BEGIN IONS\nTITLE=one\nPEPMASS=181.0495\nCHARGE=1+\nADDUCT=[M+H]+\n65.04 12\n121.03 100\nEND IONS\n"
NO_ADDUCT = b"BEGIN IONS\nTITLE=two\nPEPMASS=195.0877\n110.07 12\n138.07 100\nEND IONS\n"
NO_PEAKS = b"BEGIN IONS\nTITLE=three\nPEPMASS=195.0877\nEND IONS\n"


def submit(world: World, *files: tuple[str, bytes], **changes: Any) -> Response:
    """The answer to the form of the first step, which a submitter sends."""
    job = world.job
    data = {
        "project": world.project.pk,
        "spectra": [SimpleUploadedFile(name, content) for name, content in files],
        "library_version": job.library_version_id,
        "model_version": job.model_version_id,
        "precursor_tolerance_ppm": "7.5",
    }
    return world.client("submitter").post(reverse("submit"), data | changes)


def test_an_upload_leads_to_a_report_and_then_to_a_job(world: World) -> None:
    client = world.client("submitter")
    first = submit(world, ("a.mgf", GOOD + NO_PEAKS), name="River batch")
    assert first.status_code == 302
    report = first.headers["Location"]

    dom = Dom(client.get(report))
    assert dom.text("button[data-usable='1']") == "Annotate 1 spectrum"
    counts = {name: dom.text(f"[data-metric={name}] dd") for name in ("found", "usable", "rejected")}
    assert counts == {"found": "2", "usable": "1", "rejected": "1"}
    assert dom.values("tr[data-issue-code]", "data-issue-code") == ["no_peaks"]
    assert dom.values("[name=name], [name=precursor_tolerance_ppm]", "value") == ["River batch", "7.5"]
    assert dom.values("[name=method] option[selected]", "value") == ["fused"]

    sent = {name: values[0] for name, values in parse_qs(urlsplit(report).query).items()}
    started = client.post(report, sent | {"positive_adduct": "[M+Na]+"})
    job = Job.objects.latest("pk")
    assert started.headers["Location"] == reverse("job-detail", args=[job.public_id])
    assert (job.name, job.items.count(), job.submitted_by.username) == ("River batch", 1, "sam")
    assert job.params["precursor_tolerance_ppm"] == 7.5
    assert job.params["assumed_adducts"] == {"positive": "[M+Na]+"}
    assert job.params["method"] == "fused"


def test_a_quantification_table_is_dropped_with_its_spectra(world: World) -> None:
    labelled = GOOD.replace(b"TITLE=one", b"TITLE=one\nFEATURE_ID=7")
    table = b"row ID,row m/z,A.mzML Peak area,\n7,181.0495,1200.5,\n"
    report = submit(world, ("a_quant.csv", table), ("a.mgf", labelled)).headers["Location"]
    upload = Upload.objects.latest("pk")
    assert (upload.file_name, Upload.objects.filter(file_name="a_quant.csv").exists()) == ("a.mgf", False)
    assert upload.features.get().quantities["A.mzML Peak area"] == "1200.5"
    dom = Dom(world.client("submitter").get(report))
    assert dom.values("tr[data-issue-code]", "data-issue-code") == ["quantities_read"]


def test_the_second_step_keeps_the_method_of_the_first(world: World) -> None:
    client = world.client("submitter")
    report = submit(world, ("a.mgf", GOOD), method="glmr").headers["Location"]
    assert Dom(client.get(report)).values("[name=method] option[selected]", "value") == ["glmr"]
    sent = {name: values[0] for name, values in parse_qs(urlsplit(report).query).items()}
    client.post(report, sent)
    assert Job.objects.latest("pk").params["method"] == "glmr"


def test_an_unknown_method_is_refused_with_the_known_ones(world: World) -> None:
    response = submit(world, ("a.mgf", GOOD), method="mystery")
    assert response.status_code == 422
    error = Dom(response).text("#id_method_error")
    assert "mystery" in error
    assert "fused, glmr" in error


def test_the_report_counts_spectra_without_an_adduct(world: World) -> None:
    client = world.client("submitter")
    report = submit(world, ("a.mgf", GOOD + NO_ADDUCT)).headers["Location"]
    assert "1 of 2" in Dom(client.get(report)).text("[data-notice=no-adduct]")


def test_an_unreadable_file_returns_the_form_with_the_reason(world: World) -> None:
    response = submit(world, ("a.mgf", b"\x00\x01" * 400))
    assert response.status_code == 422
    refused = Upload.objects.get(state=Upload.State.REFUSED)
    assert refused.refusal
    assert Dom(response).text("#id_spectra_error") == f"a.mgf: {refused.refusal}"


def test_an_unreadable_file_does_not_affect_the_others(world: World) -> None:
    client = world.client("submitter")
    response = submit(world, ("bad.mgf", b"\x00\x01" * 400), ("good.mgf", GOOD))
    dom = Dom(client.get(response.headers["Location"]))
    assert dom.values("main [data-state]", "data-state") == ["refused", "ready"]
    assert dom.has("[data-notice=refused]")
    assert dom.has("button[data-usable='1']")


@pytest.mark.parametrize(
    ("field", "value"),
    [("precursor_tolerance_ppm", "0"), ("library_version", "999999"), ("positive_adduct", "[M+Xx]+")],
)
def test_the_form_marks_an_invalid_field(field: str, value: str, world: World) -> None:
    response = submit(world, ("a.mgf", GOOD), **{field: value})
    assert response.status_code == 422
    dom = Dom(response)
    assert dom.values("[aria-invalid=true]", "name") == [field]
    assert dom.has(f"#id_{field}_error")
    assert not Upload.objects.filter(file_name="a.mgf").exists()


def test_a_submission_without_a_file_is_refused(world: World) -> None:
    response = submit(world)
    assert response.status_code == 422
    assert Dom(response).has("#id_spectra_error")


def test_nobody_submits_to_another_project(world: World) -> None:
    elsewhere = make_project()
    response = submit(world, ("a.mgf", GOOD), project=elsewhere.pk)
    assert response.status_code == 422
    assert not Upload.objects.filter(project=elsewhere).exists()


def test_an_oversized_upload_gets_its_own_error_page(world: World, settings: Settings) -> None:
    settings.GLMR_MAX_UPLOAD_BYTES = 10
    settings.DEBUG = False
    response = submit(world, ("a.mgf", GOOD * 20_000))
    assert response.status_code == 413
    assert Dom(response).has("[data-error=too-large]")


def test_issues_download_is_safe_in_a_spreadsheet(world: World) -> None:
    client = world.client("submitter")
    named = NO_PEAKS.replace(b"three", b"=HYPERLINK(1)")
    submit(world, ("a.mgf", GOOD + named))
    upload = Upload.objects.latest("pk")
    response = client.get(reverse("upload-issues-csv", args=[upload.pk]))
    assert "'=HYPERLINK(1)" in b"".join(response).decode()


@pytest.mark.parametrize("query", ["", "?upload=", "?upload=x", "?upload=99999999999999999999", "?upload=0"])
def test_a_report_needs_an_upload(query: str, world: World) -> None:
    assert world.client("submitter").get(reverse("upload-report") + query).status_code == 404
