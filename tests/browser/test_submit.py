"""From dropped files to a job: one file is broken, one comes twice, and an upload is interrupted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from annotation.models import Job, Upload
from tests.annotation.web.world import World, make_world

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenAs

GOOD = "BEGIN IONS\nTITLE=one\nPEPMASS=181.0495\nCHARGE=1+\nADDUCT=[M+H]+\n65.04 12\n121.03 100\nEND IONS\n"
NO_ADDUCT = "BEGIN IONS\nTITLE=two\nPEPMASS=195.0877\nIONMODE=positive\n110.07 12\n138.07 100\nEND IONS\n"
DROP = """(files) => {
  const data = new DataTransfer();
  files.forEach(([name, text]) => data.items.add(new File([text], name)));
  const zone = document.querySelector('[data-drop]');
  zone.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def drop(page: Page, *files: tuple[str, str]) -> None:
    page.evaluate(DROP, [list(file) for file in files])


def names(page: Page) -> list[str | None]:
    return [row.get_attribute("data-file") for row in page.locator("[data-file-list] li").all()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [390, 1280])
def test_from_dropped_files_to_a_job(width: int, world: World, open_as: OpenAs) -> None:
    from playwright.sync_api import expect

    page = open_as(world.people["submitter"], width=width)
    page.goto("/submit/")
    drop(page, ("a.mgf", GOOD + NO_ADDUCT), ("broken.mgf", "\0\1" * 400), ("copy.mgf", GOOD + NO_ADDUCT))
    drop(page, ("wrong.mgf", GOOD))
    assert names(page) == ["a.mgf", "broken.mgf", "copy.mgf", "wrong.mgf"]
    page.get_by_role("button", name="Remove wrong.mgf").click()
    page.get_by_role("button", name="Upload 3 files").click()
    page.wait_for_url("**/submit/report/?upload=*")

    states = page.locator("#files [data-state]")
    assert [state.get_attribute("data-state") for state in states.all()] == ["read", "refused", "read"]
    assert page.locator("[data-copy=selection]").count() == 1
    expect(page.locator("#start")).to_have_text("Annotate 2 features (2 lack an adduct)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.get_by_role("button", name="Remove copy.mgf").click()
    expect(page.locator("#start")).to_have_text("Annotate 1 feature (1 lacks an adduct)")
    page.get_by_label("Positive mode").select_option("[M+H]+")
    expect(page.locator("#start")).to_have_text("Annotate 2 features")
    page.get_by_label("Job name").fill("Dropped")
    page.locator("#start").click()
    page.wait_for_url("**/jobs/*/")
    job = Job.objects.latest("pk")
    assert (job.name, job.items.count()) == ("Dropped", 2)
    assert page.locator("[data-run-again] a").count() == 1


@pytest.mark.timeout(300)
def test_an_upload_survives_a_broken_connection_and_an_ended_session(world: World, open_as: OpenAs) -> None:
    from playwright.sync_api import expect

    page = open_as(world.people["submitter"], expected=("ERR_", "401"))
    page.goto("/submit/")
    drop(page, ("a.mgf", GOOD))
    page.route(re.compile(r"/submit/parts/.*offset="), lambda route: route.abort(), times=1)
    cookies: list[Any] = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Upload 1 file").click()
    expect(page.locator("[data-file] .state")).to_contain_text("session has ended")
    page.context.add_cookies(cookies)  # as a sign-in in another tab does
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url("**/submit/report/**")
    assert Upload.objects.get(file_name="a.mgf").n_usable == 1
