"""The report for a customer: complete, self-contained, and a PDF that other programs read."""

from __future__ import annotations

import re

import pytest
from lxml import html
from pypdf import PdfReader

from annotation.exports.report import collect as report
from annotation.exports.report.plots import DrawnPeak, histogram_svg, map_svg, spectrum_svg
from annotation.exports.report.wording import percent
from annotation.models import Job
from annotation.review.actions import decide
from tests.annotation.exports.building import built, mixed_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_test_transaction")]


@pytest.fixture
def job() -> Job:
    job = mixed_job()
    annotation = job.annotations.get(item__position=4)
    decide(
        annotation=annotation,
        user=job.submitted_by,
        decision="choose",
        candidate=annotation.candidates.get(rank=2),
        reason="<script>alert(1)</script> #set page(width: 1pt)",
        seen_verdict_id=None,
    )
    return job


def test_html_is_one_file_with_every_feature(job: Job) -> None:
    export, path = built(job, "html", top=5)
    text = path.read_text()
    page = html.fromstring(text)
    assert [row.get("data-feature") for row in page.cssselect("tr[data-feature]")] == list("12345")
    assert len(page.cssselect("section.feature")) == 2
    assert len(page.cssselect("section.feature svg")) == 4  # a structure and a spectrum each
    assert not page.cssselect("script, link, img, iframe")
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert "&lt;script&gt;" in text
    assert export.n_rows == 13
    for heading in ("Methods", "Licences", "References", "Provenance"):
        assert heading in [element.text for element in page.cssselect("h2")]
    assert job.library_version.content_sha256 in text


def test_pdf_has_a_page_for_each_answer(job: Job) -> None:
    _, path = built(job, "pdf", top=5)
    reader = PdfReader(path)
    pages = [page.extract_text() for page in reader.pages]
    assert sum("Feature 1:" in text or "Feature 5:" in text for text in pages) == 2
    everything = " ".join(pages)
    assert "#set page(width: 1pt)" in everything  # text is data, never markup
    assert all(page.mediabox.width > 500 for page in reader.pages)
    assert "Apache-2.0" in everything
    assert job.name in everything


def test_what_is_left_out_is_said(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_PAGES", 1)
    monkeypatch.setattr(report, "MAX_LINES", 2)
    page = html.fromstring(built(job, "html")[1].read_text())
    notes = ["".join(str(text) for text in element.itertext()) for element in page.cssselect(".note")]
    assert any("1 of 2 features" in note for note in notes)
    assert any("first 2 of 5" in note for note in notes)


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0001, "< 1 %"), (0.9999, "> 99 %"), (0.62, "62 %")]
)
def test_a_probability_is_never_rounded_to_certainty(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_plots_survive_odd_data() -> None:
    assert "No peaks" in spectrum_svg([], None)
    for svg in (
        spectrum_svg([DrawnPeak(100.0, 100.0, True)], 100.0),
        spectrum_svg([DrawnPeak(50 + n / 10, n / 10, False) for n in range(1000)], 2000.0),
        histogram_svg([0, 0], -10, 10, "nothing & <all>"),
        map_svg([(1.0, 200.0, True)]),
    ):
        html.fragment_fromstring(svg)
        assert "nan" not in svg
