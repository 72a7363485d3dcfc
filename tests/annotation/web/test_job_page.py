"""A job's page: what the ledger says, filters and order, one number on screen and in the download."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.models import Job, JobItem
from annotation.review.actions import decide
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.web.world import World


def page(world: World, query: str = "") -> str:
    url = reverse("job-detail", args=[world.job.public_id])
    return world.client("curator").get(url + query).content.decode()


def titles(html: str) -> list[str]:
    return re.findall(r"scan \d+(?=</a>|<br>)", html)


def test_counts_failures_and_reasons_are_said(world: World) -> None:
    html = page(world)
    assert '<dd id="n-done">1</dd>' in html
    assert '<dd id="n-failed">1</dd>' in html
    assert "It names no adduct. Name one." in html
    assert "Stalled" in html  # no worker has ever been seen


def test_the_download_holds_what_the_button_says(world: World) -> None:
    said = re.search(r"Download CSV \((\d+) spectra\)", page(world))
    assert said is not None
    response = world.client("curator").get(reverse("job-csv", args=[world.job.public_id]))
    lines = b"".join(response).decode().splitlines()
    assert len(lines) - 1 == int(said[1]) == 3
    assert response.headers["Content-Type"].startswith("text/csv")


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("?state=failed", 1),
        ("?state=done", 1),
        ("?review=none", 1),
        ("?review=any", 0),
        ("?q=nothing-like-it", 0),
        ("?state=nonsense", 3),
        ("?page=99", 3),
        ("?sort=-precursor", 3),
        ("?sort=nonsense", 3),
    ],
)
def test_filters(query: str, n: int, world: World) -> None:
    assert len(titles(page(world, query))) == n


def test_filter_by_verdict(world: World) -> None:
    decide(annotation=world.annotation, user=world.people["curator"], decision="accept", seen_verdict_id=None)
    html = page(world, "?review=accept")
    assert len(titles(html)) == 1
    assert "Accept rank 1, level 3" in html


def test_the_order_can_be_chosen_where_no_heading_is_in_sight(world: World) -> None:
    assert '<option value="position" selected>As submitted</option>' in page(world)
    assert '<option value="right" selected>Least sure rank 1 first</option>' in page(world, "?sort=right")
    assert '<option value="-embedding" selected>' in page(world, "?sort=-embedding")  # by its heading


def test_sorting_puts_what_has_no_score_last(world: World) -> None:
    other = world.job.items.get(state=JobItem.State.PENDING)
    make_annotation(other, margin=0.01)
    expected = [other.spectrum.title, world.annotation.spectrum.title]
    assert titles(page(world, "?sort=margin"))[:2] == expected
    assert titles(page(world, "?sort=-margin"))[:2] == expected[::-1]


def test_polling_ends_with_the_job(world: World) -> None:
    client = world.client("viewer")
    url = reverse("job-progress", args=[world.job.public_id])
    running = client.get(url)
    assert 'hx-trigger="every 2s"' in running.content.decode()
    assert "HX-Refresh" not in running.headers
    Job.objects.filter(pk=world.job.pk).update(finished_at=timezone.now())
    final = client.get(url)
    assert "hx-trigger" not in final.content.decode()
    assert final.headers["HX-Refresh"] == "true"


def test_cancel_and_retry(world: World) -> None:
    client = world.client("submitter")
    client.post(reverse("job-retry", args=[world.job.public_id]))
    assert not world.job.items.filter(state=JobItem.State.FAILED).exists()
    client.post(reverse("job-cancel", args=[world.job.public_id]))
    world.job.refresh_from_db()
    assert world.job.cancel_requested_at is not None
    assert not world.job.items.filter(state=JobItem.State.PENDING).exists()


def test_queries_do_not_grow_with_rows(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_job(12, project=world.project, user=world.people["submitter"])
    for item in job.items.all():
        make_annotation(item)
    client = world.client("curator")
    with django_assert_max_num_queries(19):
        client.get(reverse("job-detail", args=[job.public_id]))
    with django_assert_max_num_queries(12):
        client.get(reverse("home"))
