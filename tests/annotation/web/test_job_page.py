"""The page of a job: counts and reasons from the ledger, filters, order, polling, CSV download."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from annotation.jobs import heartbeat
from annotation.jobs.heartbeat import Heartbeat
from annotation.models import Job, JobItem
from annotation.review.actions import decide
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.web.dom import Dom, text
from tests.annotation.web.world import World


def page(world: World, query: str = "") -> Dom:
    url = reverse("job-detail", args=[world.job.public_id])
    return Dom(world.client("curator").get(url + query))


def titles(dom: Dom) -> list[str]:
    return [text(title) for title in dom.all("[data-spectrum-title]")]


def test_the_page_shows_counts_and_reasons(world: World) -> None:
    dom = page(world)
    counts = {name: dom.text(f"#progress [data-metric={name}] dd") for name in ("total", "done", "failed")}
    assert counts == {"total": "3", "done": "1", "failed": "1"}
    assert dom.text("[data-item-state=failed] [data-error-code=no_adduct]").startswith(
        world.job.items.get(state=JobItem.State.FAILED).error
    )
    # No worker has ever connected.
    assert dom.get("#progress").get("data-state") == "stalled"
    assert dom.has("[data-notice=stalled]")


def test_the_download_has_as_many_rows_as_its_button_states(world: World) -> None:
    button = page(world).get("a[data-rows]")
    response = world.client("curator").get(button.get("href"))
    lines = b"".join(response).decode().splitlines()
    assert len(lines) - 1 == int(button.get("data-rows")) == 3
    assert "(3 features)" in text(button)
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
    dom = page(world, "?review=accept")
    assert len(titles(dom)) == 1
    assert dom.text("#spectra [data-state=accept]") == "Accept rank 1, level 3"


@pytest.mark.parametrize("sort", ["position", "right", "-embedding"])
def test_the_list_of_orders_has_the_current_one(sort: str, world: World) -> None:
    # "-embedding" is not in the list by default: only a column heading sets it.
    assert page(world, f"?sort={sort}").values("#id_sort option[selected]", "value") == [sort]


def test_the_heading_of_the_sorted_column_states_the_direction(world: World) -> None:
    assert page(world, "?sort=margin").values("th[aria-sort]", "aria-sort") == ["ascending"]
    assert page(world, "?sort=-margin").values("th[aria-sort]", "aria-sort") == ["descending"]


def test_spectra_without_a_score_come_last_in_both_directions(world: World) -> None:
    other = world.job.items.get(state=JobItem.State.PENDING)
    make_annotation(other, margin=0.01)
    expected = [other.spectrum.title, world.annotation.spectrum.title]
    assert titles(page(world, "?sort=margin"))[:2] == expected
    assert titles(page(world, "?sort=-margin"))[:2] == expected[::-1]


def test_polling_ends_with_the_job(world: World) -> None:
    client = world.client("viewer")
    url = reverse("job-progress", args=[world.job.public_id])
    running = client.get(url)
    assert Dom(running).get("#progress").get("hx-trigger") == "every 2s, job-changed"
    assert "HX-Refresh" not in running.headers
    Job.objects.filter(pk=world.job.pk).update(finished_at=timezone.now())
    final = client.get(url)
    assert not Dom(final).has("[hx-trigger]")
    assert final.headers["HX-Refresh"] == "true"


def test_the_table_loads_again_only_when_results_land(world: World) -> None:
    client = world.client("viewer")
    url = Dom(client.get(reverse("job-detail", args=[world.job.public_id]))).get("#progress").get("hx-get")
    assert "HX-Trigger" not in client.get(url).headers
    make_annotation(world.job.items.get(state=JobItem.State.PENDING))
    assert client.get(url).headers["HX-Trigger"] == "results-landed"
    assert page(world).get("#spectra").get("hx-trigger") == "results-landed from:body"


def test_cancel_asks_first_and_a_cancelled_job_can_be_resumed(world: World) -> None:
    client = world.client("submitter")
    client.post(reverse("job-retry", args=[world.job.public_id]))
    assert not world.job.items.filter(state=JobItem.State.FAILED).exists()

    dom = Dom(client.get(reverse("job-detail", args=[world.job.public_id])))
    question = Dom(client.get(dom.get("#cancel-job").get("href")))
    assert "2 waiting features" in question.text("#cancel")
    assert Job.objects.filter(pk=world.job.pk, cancel_requested_at=None).exists()

    client.post(question.get("form:has(#confirm-cancel)").get("action"))
    world.job.refresh_from_db()
    assert world.job.cancel_requested_at is not None
    assert not world.job.items.filter(state=JobItem.State.PENDING).exists()
    again = client.get(reverse("job-cancel-confirm", args=[world.job.public_id]))
    assert again.headers["Location"] == reverse("job-detail", args=[world.job.public_id])

    dom = Dom(client.get(reverse("job-detail", args=[world.job.public_id])))
    assert dom.get("#progress").get("data-state") == "cancelled"
    client.post(dom.get("form:has(#resume-job)").get("action"))
    assert world.job.items.filter(state=JobItem.State.PENDING).count() == 2


def test_an_open_job_states_its_place_and_the_last_heartbeat(world: World) -> None:
    heartbeat.beat(Heartbeat(worker="w", device="cpu"))
    make_job(3, project=world.project, user=world.people["submitter"])
    dom = page(world)
    assert dom.get("[data-queue-position]").get("data-queue-position") == "1"
    assert "Number 1 of 2 jobs" in dom.text("[data-queue-position]")
    assert dom.has("[data-last-heartbeat]")
    assert not dom.has("[data-metric=time-left]")


def test_the_time_left_is_shown_on_the_page_and_in_the_list(world: World) -> None:
    heartbeat.beat(Heartbeat(worker="w", device="cpu"))
    job = make_job(40, project=world.project, user=world.people["submitter"])
    for number in range(4):  # batches of 5 features in 10 s each, the last one ended now
        job.items.filter(position__gte=5 * number, position__lt=5 * number + 5).update(
            state="done",
            started_at=Now() - timedelta(seconds=10 * (4 - number)),
            finished_at=Now() - timedelta(seconds=10 * (3 - number)),
        )
    client = world.client("viewer")
    dom = Dom(client.get(reverse("job-detail", args=[job.public_id])))
    assert dom.text("[data-metric=time-left] dd") in ("about 40 s", "39 s to 40 s")
    assert dom.text("[data-metric=rate] dd") == "0.5"
    assert "left" in Dom(client.get(reverse("home"))).text("[data-time-left]")


def test_a_job_without_any_result_is_not_shown_as_done(world: World) -> None:
    world.job.items.update(state=JobItem.State.UNUSABLE)
    Job.objects.filter(pk=world.job.pk).update(finished_at=timezone.now(), started_at=timezone.now())
    client = world.client("viewer")
    report = reverse("upload-report") + f"?upload={world.annotation.spectrum.upload_id}"
    for url in (reverse("job-detail", args=[world.job.public_id]), reverse("home"), report):
        dom = Dom(client.get(url))
        assert dom.has(".badge[data-state=failed]")
        assert not dom.has("main .badge[data-state=done]")


def test_queries_do_not_grow_with_rows(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_job(12, project=world.project, user=world.people["submitter"])
    for item in job.items.all():
        make_annotation(item)
    client = world.client("curator")
    with django_assert_max_num_queries(19):
        client.get(reverse("job-detail", args=[job.public_id]))
    with django_assert_max_num_queries(15):
        client.get(reverse("home"))


def test_a_mail_at_the_end_is_offered_only_with_a_mail_server(world: World, settings: Settings) -> None:
    assert not page(world).has("#job-notice")
    settings.SENDS_MAIL = True
    client = world.client("viewer")
    url = reverse("job-notice", args=[world.job.public_id])
    assert page(world).get("#job-notice").get("value") == "yes"
    client.post(url, {"wanted": "yes"})
    assert world.job.notices.get().user == world.people["viewer"]
    dom = Dom(client.get(reverse("job-detail", args=[world.job.public_id])))
    client.post(url, {"wanted": dom.get("#job-notice").get("value")})
    assert not world.job.notices.exists()
    assert world.client("stranger").post(url, {"wanted": "yes"}).status_code == 404
