"""First page, libraries, models, status and error pages: empty states that help, and plain words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.models import JobItem, LibraryRowIssue, ModelVersion, WorkerHeartbeat
from annotation.templatetags.display import duration, fixed, formula, signed, thousands
from tests.annotation.builders import make_library_version, make_project, make_user
from tests.annotation.web.world import World


def test_a_newcomer_is_told_what_to_do(db: None) -> None:
    client = Client()
    client.force_login(make_user("new"))
    assert "You are not in a project yet" in client.get("/").content.decode()
    make_project(make_user("newer"))
    client.force_login(make_user("third"))
    assert "not a curator" in client.get(reverse("review-queue")).content.decode()


def test_first_page_says_that_no_worker_is_alive(world: World) -> None:
    client = world.client("submitter")
    assert "No worker is alive" in client.get("/").content.decode()
    beat = WorkerHeartbeat.objects.create(name="bench", device="cpu")
    html = client.get("/").content.decode()
    assert "No worker is alive" not in html
    assert "1 worker ready" in html
    beat.last_seen_at = timezone.now() - timedelta(hours=1)
    beat.save()
    assert "No worker is alive" in client.get("/").content.decode()
    assert "Silent" in client.get(reverse("status")).content.decode()


def test_first_page_follows_open_jobs_only(world: World) -> None:
    client = world.client("submitter")
    assert 'hx-trigger="every 4s"' in client.get("/").content.decode()
    JobItem.objects.filter(job=world.job).update(state="done")
    world.job.finished_at = timezone.now()
    world.job.save()
    assert "hx-trigger" not in client.get("/").content.decode()


def test_libraries_and_their_rejected_rows(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    version = make_library_version()
    LibraryRowIssue.objects.create(
        version=version, row_number=7, position="line 7", code="unreadable", reason="Ring 1 stays open."
    )
    client = world.client("viewer")
    with django_assert_max_num_queries(8):
        client.get(reverse("libraries"))
    assert "Ring 1 stays open." in client.get(reverse("library-version", args=[version.pk])).content.decode()
    response = client.get(reverse("library-issues-csv", args=[version.pk]))
    assert "line 7" in b"".join(response).decode()


def test_models_show_figures_with_their_controls(world: World) -> None:
    ModelVersion.objects.update(metrics={"window 10 ppm": {"hit@1": 0.41}, "control": {"hit@1": 0.2}})
    html = world.client("viewer").get(reverse("models")).content.decode()
    for text in ("hit@1", "0.41", "control"):
        assert text in html


def test_an_evaluation_is_shown_as_tables(world: World) -> None:
    measured = {
        "n_spectra": 300, "hit@1": 0.7267, "blind_hit@1": 0.3967, "lift@1": -0.0338, "ece": None,
        "ci95": {"hit@1": [0.6767, 0.7767]},
    }  # fmt: skip
    ModelVersion.objects.update(metrics={"protocols": {"isomers, references": {"fused": measured}}})
    html = world.client("viewer").get(reverse("models")).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "at least five, with reference spectra</strong>: 300 spectra" in html
    for cell in ("72.7 % (68 to 78)", "39.7 %", "−3.4", "–"):
        assert f">{cell}</td>" in html


@pytest.mark.parametrize("path", ["/nowhere/", "/jobs/00000000-0000-0000-0000-000000000000/"])
def test_error_page_is_our_own(path: str, world: World) -> None:
    response = world.client("viewer").get(path)
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_failure_gets_a_page_that_asks_nothing_of_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("annotation.web.views.home.with_progress", fail)
    client = world.client("viewer")
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 500
    assert "Nothing that was stored is lost" in response.content.decode()


def test_a_form_without_its_token_gets_a_page_in_plain_words(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["submitter"])
    response = client.post(reverse("job-cancel", args=[world.job.public_id]))
    assert response.status_code == 403
    assert "The page was open too long" in response.content.decode()


def test_numbers_as_people_read_them() -> None:
    assert fixed(-1.23456, 2) == "−1.23"
    assert fixed(None) == signed(None) == thousands(None) == "–"
    assert signed(0.5, 1) == "+0.5"
    assert thousands(169917) == "169\u202f917"
    assert formula("C8H10N4O2") == "C<sub>8</sub>H<sub>10</sub>N<sub>4</sub>O<sub>2</sub>"
    assert formula("<script>") == ""
    assert [duration(s) for s in (4, 180, 7800)] == ["4 s", "3 min", "2 h 10 min"]
