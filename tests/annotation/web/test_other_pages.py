"""Start page, libraries, models, status and error pages, and the filters that format values."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.models import (
    JobItem,
    Library,
    LibraryRowIssue,
    ModelVersion,
    ReferenceCollection,
    WorkerHeartbeat,
)
from annotation.templatetags.display import duration, fixed, formula, signed, thousands
from tests.annotation.builders import (
    make_importing_version,
    make_library_version,
    make_reference_version,
    make_user,
)
from tests.annotation.web.dom import Dom
from tests.annotation.web.world import World


def open_page(client: Client, name: str, *keys: object) -> Dom:
    return Dom(client.get(reverse(name, args=keys)))


def test_a_person_without_a_project_sees_what_to_do(db: None) -> None:
    client = Client()
    client.force_login(make_user("new"))
    assert open_page(client, "home").has("[data-empty=no-project]")
    assert open_page(client, "review-queue").has("[data-empty=not-a-curator]")


def test_a_person_without_the_role_submitter_sees_what_to_do(world: World) -> None:
    assert open_page(world.client("viewer"), "submit").has("[data-empty=no-submitter]")


def test_pages_state_whether_a_worker_is_alive(world: World) -> None:
    client = world.client("submitter")
    assert open_page(client, "home").has("[data-notice=no-worker]")
    heartbeat = WorkerHeartbeat.objects.create(name="bench", device="cpu")
    dom = open_page(client, "home")
    assert not dom.has("[data-notice=no-worker]")
    assert "1 worker" in dom.text("footer [data-state=done]")
    assert open_page(client, "status").has("tbody [data-state=alive]")
    heartbeat.last_seen_at = timezone.now() - timedelta(hours=1)
    heartbeat.save()
    assert open_page(client, "home").has("[data-notice=no-worker]")
    assert open_page(client, "status").has("tbody [data-state=silent]")


def test_the_start_page_polls_only_while_a_job_is_open(world: World) -> None:
    client = world.client("submitter")
    assert open_page(client, "home").get("#job-list").get("hx-trigger") == "every 4s"
    JobItem.objects.filter(job=world.job).update(state="done")
    world.job.finished_at = timezone.now()
    world.job.save()
    assert not open_page(client, "home").has("[hx-trigger]")


def test_the_menu_marks_the_current_page(world: World) -> None:
    client = world.client("viewer")
    for name, label in (("home", "Jobs"), ("review-queue", "Review"), ("models", "Models")):
        assert open_page(client, name).text("nav[aria-label=Main] [aria-current=page]") == label
    assert (
        open_page(client, "job-detail", world.job.public_id).text("nav[aria-label=Main] [aria-current=page]")
        == "Jobs"
    )


def test_libraries_and_their_rejected_rows(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    version = make_library_version()
    LibraryRowIssue.objects.create(
        version=version, row_number=7, position="line 7", code="unreadable", reason="Ring 1 stays open."
    )
    client = world.client("viewer")
    with django_assert_max_num_queries(9):
        client.get(reverse("libraries"))
    dom = open_page(client, "library-version", version.pk)
    assert "Ring 1 stays open." in dom.text("[data-issue-code=unreadable]")
    assert dom.text("[data-metric=molecules] dd") == str(version.n_molecules)
    response = client.get(reverse("library-issues-csv", args=[version.pk]))
    assert "line 7" in b"".join(response).decode()


NOTES = [
    {
        "code": "fragments_removed",
        "text": "Removed.",
        "count": 1200,
        "examples": ["line 2: <b> → C", "line 3"],
    }
]


def test_versions_show_what_their_import_changed(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    library = make_importing_version(Library.objects.create(name="Notes"), import_notes=NOTES)
    references = make_reference_version(ReferenceCollection.objects.create(name="Notes"), import_notes=NOTES)
    client = world.client("viewer")
    for name, version in (("library-version", library), ("reference-version", references)):
        with django_assert_max_num_queries(10):
            dom = open_page(client, name, version.pk)
        row = dom.text("[data-note-code=fragments_removed]")
        assert "1 200" in row
        assert "line 2: <b> → C" in row


def test_metrics_of_another_format_are_listed(world: World) -> None:
    ModelVersion.objects.update(metrics={"window 10 ppm": {"hit@1": 0.41}, "control": {"hit@1": 0.2}})
    shown = open_page(world.client("viewer"), "models").text("main")
    for value in ("hit@1", "0.41", "control"):
        assert value in shown


def test_an_evaluation_is_shown_as_tables(world: World) -> None:
    measured = {
        "n_spectra": 300, "hit@1": 0.7267, "blind_hit@1": 0.3967, "lift@1": -0.0338, "ece": None,
        "ci95": {"hit@1": [0.6767, 0.7767]},
    }  # fmt: skip
    ModelVersion.objects.update(metrics={"protocols": {"isomers, references": {"fused": measured}}})
    dom = open_page(world.client("viewer"), "models")
    assert dom.text("table.metrics-table caption").endswith("with reference spectra (300 spectra)")
    cells = {
        name: dom.text(f'td[data-metric="{name}"]') for name in ("hit@1", "blind_hit@1", "lift@1", "ece")
    }
    assert cells == {"hit@1": "72.7 % (68 to 78)", "blind_hit@1": "39.7 %", "lift@1": "−3.4", "ece": "–"}


@pytest.mark.parametrize("path", ["/nowhere/", "/jobs/00000000-0000-0000-0000-000000000000/"])
def test_not_found_has_its_own_page(path: str, world: World) -> None:
    response = world.client("viewer").get(path)
    assert response.status_code == 404
    assert Dom(response).has("[data-error=not-found]")


def test_a_person_without_the_role_sees_which_role_is_missing(world: World) -> None:
    response = world.client("viewer").post(reverse("job-cancel", args=[world.job.public_id]))
    assert response.status_code == 403
    assert "submitter" in Dom(response).text("[data-error=forbidden]")


def test_the_page_of_a_server_error_needs_no_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("annotation.web.views.home.with_progress", fail)
    client = world.client("viewer")
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 500
    assert Dom(response).has("[data-error=server-error]")


def test_a_form_without_its_token_gets_a_page_that_explains_it(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["submitter"])
    response = client.post(reverse("job-cancel", args=[world.job.public_id]))
    assert response.status_code == 403
    assert Dom(response).has("[data-error=expired]")


def test_values_are_formatted() -> None:
    assert fixed(-1.23456, 2) == "−1.23"
    assert fixed(None) == signed(None) == thousands(None) == "–"
    assert signed(0.5, 1) == "+0.5"
    assert thousands(169917) == "169\u202f917"
    assert formula("C8H10N4O2") == "C<sub>8</sub>H<sub>10</sub>N<sub>4</sub>O<sub>2</sub>"
    assert formula("<script>") == ""
    assert [duration(s) for s in (4, 180, 7800)] == ["4 s", "3 min", "2 h 10 min"]
