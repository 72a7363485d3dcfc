"""The overview of a job: each plot has a table, its parts open the features that they count."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.jobs import ledger
from annotation.models import Job, JobItem, Role
from annotation.tables import overview
from annotation.web.charts import Column, column_chart, ticks_between, ticks_to
from tests.annotation.builders import (
    make_annotation,
    make_job,
    make_project,
    make_spectrum,
    make_upload,
    make_user,
)
from tests.annotation.tables.batch import make_batch
from tests.annotation.web.dom import Dom


@pytest.fixture
def signed_in(db: None) -> tuple[Client, Job]:
    user = make_user()
    client = Client()
    client.force_login(user)
    return client, make_batch(make_project(user, Role.CURATOR), user)


def page(client: Client, job: Job, query: str = "") -> Dom:
    return Dom(client.get(reverse("job-overview", args=[job.public_id]) + query))


def table(dom: Dom, plot: str) -> dict[str, int]:
    rows = dom.all(f"#{plot} tbody tr")
    return {
        row.cssselect("th")[0].text_content().strip(): int(row.cssselect("td")[-1].text_content())
        for row in rows
    }


def test_each_plot_has_a_text_alternative_and_a_table(signed_in: tuple[Client, Job]) -> None:
    dom = page(*signed_in)
    for plot in ("map", "confidence", "states", "errors"):
        assert dom.get(f"#{plot} svg[role]").get("aria-label")
        assert dom.has(f"#{plot} table caption")
    assert table(dom, "states") == {"Pending": 1, "Annotated": 5, "Failed": 1}
    confidence = table(dom, "confidence")
    assert {label: n for label, n in confidence.items() if n} == {
        "20–30 %": 1, "50–60 %": 1, "80–90 %": 1, "90–100 %": 1
    }  # fmt: skip
    assert sum(table(dom, "errors").values()) == 5


def test_parts_of_the_plots_open_their_features(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    dom = page(client, job)
    links = dom.values("#map svg a", "href")
    single = [href for href in links if "/features/" in href]
    several = [href for href in links if "/features/" not in href]
    assert len(single) == 2  # the others share a cell: 60 s and 61 s are close together
    assert client.get(single[0]).headers["Location"].startswith("/annotations/")
    assert len(Dom(client.get(several[0])).all("tr[data-number]")) == 2
    (failed,) = [href for href in dom.values("#states tbody a", "href") if "failed" in href]
    assert len(Dom(client.get(failed)).all("tr[data-number]")) == 1


def test_the_filter_holds_on_the_overview(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    dom = page(client, job, "?references=disagree")
    assert table(dom, "states") == {"Annotated": 2}
    assert all("references=disagree" in href for href in dom.values("#states tbody a", "href"))
    assert page(client, job, "?q=nothing-like-it").has("[data-placeholder=no-match], .empty")
    assert client.get(reverse("job-overview", args=[job.public_id]) + "?mz=x").status_code == 302


def test_a_run_off_calibration_is_named(
    signed_in: tuple[Client, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, job = signed_in
    monkeypatch.setattr(overview, "FEWEST_LIKELY", 2)
    assert not page(client, job).has("[data-notice=off-calibration]")
    # The candidates of the builder are 0.5 ppm off.
    monkeypatch.setattr(overview, "LARGEST_MEDIAN", 0.04)
    assert page(client, job).has("[data-notice=off-calibration]")


def test_samples_by_compounds(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    assert not page(client, job).has("#matrix")
    user = job.submitted_by
    spectra = [make_spectrum(make_upload(job.project, user, file_name=f"{n}.mgf")) for n in range(3)]
    several = make_job(spectra=spectra, user=user)
    for item in several.items.all()[:2]:
        make_annotation(item, fused=True, p_right=0.9)
    dom = page(client, several)
    assert dom.text("#matrix tbody th").startswith("compound 1")
    assert [cell.text_content().strip() for cell in dom.all("#matrix tbody td")] == ["1", "1", "–"]


def test_a_feature_has_a_stable_address(signed_in: tuple[Client, Job]) -> None:
    client, job = signed_in
    address = reverse("job-feature", args=[job.public_id, 1])
    assert client.get(address).headers["Location"] == reverse(
        "annotation-detail", args=[job.items.get(position=0).annotation.public_id]
    )
    failed = client.get(reverse("job-feature", args=[job.public_id, 6]))
    rows = Dom(client.get(failed.headers["Location"])).values("tr[data-number]", "data-number")
    assert rows[0] == "6"
    assert client.get(reverse("job-feature", args=[job.public_id, 99])).status_code == 404
    stranger = Client()
    stranger.force_login(make_user())
    assert stranger.get(address).status_code == 404
    assert stranger.get(reverse("job-overview", args=[job.public_id])).status_code == 404


def test_the_plots_are_counted_once_until_the_job_changes(
    signed_in: tuple[Client, Job], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client, job = signed_in
    assert table(page(client, job), "states") == {"Pending": 1, "Annotated": 5, "Failed": 1}
    with django_assert_max_num_queries(8):
        page(client, job)
    item = job.items.get(state=JobItem.State.FAILED)
    JobItem.objects.filter(pk=item.pk).update(state=JobItem.State.PENDING)
    ledger.touch([job.pk])
    assert table(page(client, job), "states") == {"Pending": 2, "Annotated": 5}


def test_queries(
    signed_in: tuple[Client, Job], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client, job = signed_in
    address = reverse("job-overview", args=[job.public_id])
    with django_assert_max_num_queries(14):
        client.get(address)


def test_charts_escape_what_they_show() -> None:
    assert "<b>" not in column_chart([Column("<b>", 1, '"><b>')], "<b>", "<b>")


def test_ticks_are_round() -> None:
    assert ticks_to(0) == [0.0]
    assert ticks_to(7) == [0, 2, 4, 6, 8]
    assert ticks_between(96, 310) == [100, 150, 200, 250, 300]
