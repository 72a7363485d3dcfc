"""Submission: the server reads the files and reports on them; the job gets the usable spectra."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from annotation.models import Job, Upload
from models_ml.spectra.formats.supported import FORMATS
from tests.annotation.builders import make_project
from tests.annotation.web.dom import Dom, Response, text
from tests.annotation.web.world import World

GOOD = b"BEGIN IONS\nTITLE=one\nPEPMASS=181.0495\nCHARGE=1+\nADDUCT=[M+H]+\n65.04 12\n121.03 100\nEND IONS\n"
NO_ADDUCT = b"BEGIN IONS\nTITLE=two\nPEPMASS=195.0877\n110.07 12\n138.07 100\nEND IONS\n"
NO_PEAKS = b"BEGIN IONS\nTITLE=three\nPEPMASS=195.0877\nEND IONS\n"


def submit(world: World, *files: tuple[str, bytes], query: str = "", **changes: Any) -> Response:
    """The answer to the form of the first step, which a submitter sends."""
    data = {
        "project": world.project.pk,
        "spectra": [SimpleUploadedFile(name, content) for name, content in files],
    }
    return world.client("submitter").post(reverse("submit") + query, data | changes)


def report_of(world: World, *files: tuple[str, bytes]) -> str:
    """The address of the report of the uploaded files."""
    return submit(world, *files).headers["Location"]


def settings(world: World, **changes: Any) -> dict[str, Any]:
    """The form of the second step."""
    job = world.job
    fields = {
        "library_version": job.library_version_id,
        "model_version": job.model_version_id,
        "precursor_tolerance_ppm": "7.5",
    }
    return fields | changes


def test_an_upload_leads_to_a_report_and_then_to_a_job(world: World) -> None:
    client = world.client("submitter")
    report = report_of(world, ("a.mgf", GOOD + NO_PEAKS))
    dom = Dom(client.get(report))
    assert dom.text("button[data-usable='1']") == "Annotate 1 feature"
    counts = {name: dom.text(f"[data-metric={name}] dd") for name in ("features", "ready", "rejected")}
    assert counts == {"features": "1", "ready": "1", "rejected": "1"}
    assert dom.values("tr[data-issue-code]", "data-issue-code") == ["no_peaks"]
    assert dom.values("[name=method] option[selected]", "value") == ["fused"]

    started = client.post(report, settings(world, name="River batch", positive_adduct="[M+Na]+"))
    job = Job.objects.latest("pk")
    assert started.headers["Location"] == reverse("job-detail", args=[job.public_id])
    assert (job.name, job.items.count(), job.submitted_by.username) == ("River batch", 1, "sam")
    assert job.params["precursor_tolerance_ppm"] == 7.5
    assert job.params["assumed_adducts"] == {"positive": "[M+Na]+"}
    assert (job.params["method"], job.params["adduct_policy"]) == ("fused", "fallback")
    assert job.priority == Job.Priority.BATCH


def test_the_first_step_asks_for_files_only(world: World) -> None:
    dom = Dom(world.client("submitter").get(reverse("submit")))
    asked = dom.values("form[data-files] [name]", "name")
    assert asked == ["project", "spectra", "csrfmiddlewaretoken"]
    hint = dom.text("#id_spectra_helptext")
    assert all(name in hint for name in FORMATS)


def test_an_empty_and_a_broken_file_do_not_affect_the_others(world: World) -> None:
    report = report_of(world, ("none.mgf", b""), ("bad.mgf", b"\x00\x01" * 400), ("good.mgf", GOOD))
    dom = Dom(world.client("submitter").get(report))
    assert dom.values("#files [data-state]", "data-state") == ["refused", "refused", "read"]
    names = [text(heading) for heading in dom.all("#files h3")]
    assert names == ["none.mgf", "bad.mgf", "good.mgf"]
    assert dom.text("[data-metric=refused-files] dd") == "2"
    assert dom.has("button[data-usable='1']")
    assert not dom.has("[data-notice=clean]")


def test_refused_files_only_lead_to_a_report_that_offers_more_files(world: World) -> None:
    report = report_of(world, ("a.mgf", b"\x00\x01" * 400))
    dom = Dom(world.client("submitter").get(report))
    assert Upload.objects.get(state=Upload.State.REFUSED).refusal in dom.text("#files")
    assert dom.has("[data-empty=nothing] button[value=add]")
    assert not dom.has("#start")


def test_a_quantification_table_is_dropped_with_its_spectra(world: World) -> None:
    labelled = GOOD.replace(b"TITLE=one", b"TITLE=one\nFEATURE_ID=7")
    table = b"row ID,row m/z,A.mzML Peak area,\n7,181.0495,1200.5,\n"
    report = submit(world, ("a_quant.csv", table), ("a.mgf", labelled)).headers["Location"]
    upload = Upload.objects.latest("pk")
    assert (upload.file_name, Upload.objects.filter(file_name="a_quant.csv").exists()) == ("a.mgf", False)
    assert upload.features.get().quantities["A.mzML Peak area"] == "1200.5"
    dom = Dom(world.client("submitter").get(report))
    assert dom.values("tr[data-issue-code]", "data-issue-code") == ["quantities_read"]


def test_a_removed_file_is_left_out_and_the_settings_stay(world: World) -> None:
    client = world.client("submitter")
    report = report_of(world, ("a.mgf", GOOD), ("b.mgf", NO_ADDUCT))
    first, second = (Upload.objects.get(file_name=name) for name in ("a.mgf", "b.mgf"))
    sent = settings(world, name="Kept name", do=f"remove:{first.pk}", **{f"sample-{second.pk}": "S-2"})
    left = client.post(report, sent).headers["Location"]
    dom = Dom(client.get(left))
    assert [text(heading) for heading in dom.all("#files h3")] == ["b.mgf"]
    assert dom.values("[name=name], [name=precursor_tolerance_ppm]", "value") == ["Kept name", "7.5"]
    assert dom.values(f"[name=sample-{second.pk}]", "value") == ["S-2"]
    last = client.post(left, settings(world, do=f"remove:{second.pk}"))
    assert last.headers["Location"] == reverse("submit")


def test_files_are_added_to_the_selection_and_the_settings_stay(world: World) -> None:
    client = world.client("submitter")
    sent = settings(world, name="Kept name", do="add")
    step_1 = client.post(report_of(world, ("a.mgf", GOOD)), sent).headers["Location"]
    assert "a.mgf" in Dom(client.get(step_1)).text("[data-kept]")
    report = submit(world, ("b.mgf", NO_ADDUCT), query=f"?{urlsplit(step_1).query}").headers["Location"]
    dom = Dom(client.get(report))
    assert [text(heading) for heading in dom.all("#files h3")] == ["a.mgf", "b.mgf"]
    assert dom.values("[name=name]", "value") == ["Kept name"]


def test_an_unknown_method_is_refused_with_the_known_ones(world: World) -> None:
    report = report_of(world, ("a.mgf", GOOD))
    response = world.client("submitter").post(report, settings(world, method="mystery"))
    assert response.status_code == 422
    error = Dom(response).text("#id_method_error")
    assert "mystery" in error
    assert "fused, glmr" in error


def test_the_button_says_what_will_happen(world: World) -> None:
    client = world.client("submitter")
    report = report_of(world, ("a.mgf", GOOD + NO_ADDUCT))
    dom = Dom(client.get(report))
    assert dom.text("#start") == "Annotate 1 feature (1 lacks an adduct)"
    assert dom.values("[data-obstacle]", "data-obstacle") == ["no_adduct"]
    assert not dom.has("[data-notice=clean]")
    query = urlsplit(report).query
    chosen = "positive_adduct=[M%2BH]%2B&adduct_policy=enforced"
    update = client.get(f"{reverse('upload-report-summary')}?{query}&{chosen}")
    assert Dom(update).values("#start", "hx-swap-oob") == ["true"]
    assert Dom(update).text("#start") == "Annotate 1 feature (1 has no adduct for its ion mode)"


def test_a_job_in_which_nothing_can_be_annotated_does_not_start(world: World) -> None:
    client, n_jobs = world.client("submitter"), Job.objects.count()
    report = report_of(world, ("a.mgf", NO_ADDUCT))
    assert Dom(client.get(report)).get("#start").get("disabled") is not None
    response = client.post(report, settings(world))
    assert response.status_code == 422
    assert "lacks an adduct" in Dom(response).text("[data-notice=refused]")
    assert Job.objects.count() == n_jobs


@pytest.mark.parametrize(
    ("field", "value"),
    [("precursor_tolerance_ppm", "0"), ("library_version", "999999"), ("positive_adduct", "[M+Xx]+")],
)
def test_the_form_marks_an_invalid_field(field: str, value: str, world: World) -> None:
    report = report_of(world, ("a.mgf", GOOD))
    response = world.client("submitter").post(report, settings(world, **{field: value}))
    assert response.status_code == 422
    dom = Dom(response)
    assert dom.values("[aria-invalid=true]", "name") == [field]
    assert dom.has(f"#id_{field}_error")


def test_a_submission_without_a_file_is_refused(world: World) -> None:
    response = submit(world)
    assert response.status_code == 422
    assert Dom(response).has("#id_spectra_error")


def test_nobody_submits_to_another_project(world: World) -> None:
    elsewhere = make_project()
    response = submit(world, ("a.mgf", GOOD), project=elsewhere.pk)
    assert response.status_code == 422
    assert not Upload.objects.filter(project=elsewhere).exists()


def test_a_form_after_the_session_ended_is_told_so(world: World) -> None:
    response = Client().post(reverse("submit"), {"spectra": SimpleUploadedFile("a.mgf", GOOD)})
    page = Client().get(response.headers["Location"])
    assert Dom(page).has("[data-notice=session-ended]")
    strict = Client(enforce_csrf_checks=True)
    assert Dom(strict.post(reverse("submit"), {})).has("[data-session=expired]")


def test_the_report_makes_no_query_per_file(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = world.client("submitter")
    report = report_of(world, *((f"{n}.mgf", GOOD + NO_PEAKS) for n in range(6)))
    client.get(report)
    with django_assert_max_num_queries(26):
        client.get(report)


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
