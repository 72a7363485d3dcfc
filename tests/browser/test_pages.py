"""Pages in a real browser: nothing overflows, all is named, candidates change in place, keys decide."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from annotation.models import Annotation, Verdict
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.web.world import World, make_world

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenAs

# What assistive technology needs, as far as the page itself can tell.
UNNAMED = """() => [
  ...[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
      .filter(e => !e.labels.length && !e.getAttribute('aria-label')),
  ...[...document.querySelectorAll('img:not([alt])')],
  ...[...document.querySelectorAll('table')].filter(t => !t.caption),
  ...[...document.querySelectorAll('a, button')]
      .filter(e => !e.textContent.trim() && !e.getAttribute('aria-label') && e.ariaHidden !== 'true'),
  ...(document.querySelectorAll('h1').length === 1 ? [] : [document.body]),
  ...[...document.querySelectorAll('[id]')]
      .filter(e => document.querySelectorAll('#' + CSS.escape(e.id)).length > 1),
].map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def fused(world: World, **overrides: object) -> Annotation:
    job = make_job(1, project=world.project, user=world.people["submitter"], name="Fused batch")
    return make_annotation(job.items.get(), fused=True, **overrides)


def paths(world: World) -> list[str]:
    sure, none = fused(world), fused(world, p_right=0.04, p_absent=0.9, abstains=True)
    return [
        *("/", "/submit/", "/review/", "/libraries/", "/models/", "/status/", "/about/"),
        f"/submit/report/?upload={world.annotation.spectrum.upload_id}",
        f"/jobs/{world.job.public_id}/",
        f"/annotations/{world.annotation.public_id}/",
        f"/annotations/{sure.public_id}/",
        f"/annotations/{none.public_id}/",
        f"/jobs/{sure.job.public_id}/",
        f"/libraries/versions/{world.job.library_version_id}/",
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [420, 1400])
def test_pages_fit_and_name_everything(width: int, world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"], width=width)
    for path in paths(world):
        page.goto(path)
        if path == "/submit/":  # curators may submit, so the page is the form
            assert page.locator("input[type=file]").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(UNNAMED) == [], path


def test_skip_link_comes_first(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["viewer"])
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_another_candidate_is_shown_in_place(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"])
    page.goto(f"/annotations/{world.annotation.public_id}/")
    page.evaluate("window.sameDocument = true")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.get_by_text(re.compile(r"^Rank 2 of")).wait_for()
    assert page.evaluate("window.sameDocument")
    assert page.get_by_label("Candidate, where you choose another").input_value() == "2"
    assert page.locator("tr.chosen").count() == 1
    assert page.locator(".plot.scripted").count() == 1


def test_choosing_needs_a_reason_and_then_stands_in_the_history(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"], expected=("422",))
    page.goto(f"/annotations/{world.annotation.public_id}/")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.get_by_text(re.compile(r"^Rank 2 of")).wait_for()
    page.keyboard.press("c")
    page.get_by_role("button", name="Record the verdict").click()
    page.get_by_text("Say why").wait_for()
    page.get_by_text("Nothing was recorded.").wait_for()
    page.wait_for_function("document.activeElement.name === 'reason'")
    page.keyboard.type("Diagnostic ion at m/z 121.")
    page.keyboard.press("Control+Enter")
    page.locator(".history").get_by_text("rank 2").wait_for()
    assert Verdict.objects.get().reason == "Diagnostic ion at m/z 121."


def test_keys_skip_along_the_queue(world: World, open_as: OpenAs) -> None:
    second = fused(world, p_right=0.9)
    first = fused(world, p_right=0.5)
    page = open_as(world.people["curator"])
    page.goto("/review/")
    page.get_by_role("link", name="Start with the first").click()
    page.wait_for_url(f"**/{first.public_id}/?queue=1")
    page.get_by_label("Comment").focus()
    page.keyboard.type("n")
    page.keyboard.press("Escape")  # leaves the field, so that letters are keys again
    page.keyboard.press("n")
    page.wait_for_url(f"**/{second.public_id}/?queue=1")
    page.keyboard.press("b")
    page.wait_for_url(f"**/{first.public_id}/?queue=1")


def test_a_proposed_molecule_becomes_the_curators_own(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"])
    page.goto(f"/annotations/{fused(world).public_id}/")
    page.get_by_role("button", name="Take as own structure").click()
    page.get_by_label("Reason").fill("The ion at m/z 121 needs the meta isomer.")
    page.get_by_role("button", name="Record the verdict").click()
    page.locator(".history").get_by_text("Propose own structure").wait_for()
    assert Verdict.objects.get().proposed_smiles == "CC(=O)Oc1cccc(C(=O)O)c1"


def zoomed(page: Page) -> list[str]:
    places: list[str] = page.locator(".plot svg .peak").evaluate_all(
        "lines => lines.map(line => line.getAttribute('x1'))"
    )
    return places


def test_the_plot_zooms_by_keyboard_mouse_and_button(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["viewer"])
    page.goto(f"/annotations/{world.annotation.public_id}/")
    whole = zoomed(page)
    page.get_by_role("button", name="Zoom in").click()
    assert zoomed(page) != whole
    page.get_by_role("button", name="Whole range").click()
    assert zoomed(page) == whole
    box = page.locator(".plot svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 100, steps=5)
    page.mouse.up()
    assert zoomed(page) != whole
    page.locator(".plot svg").focus()
    page.keyboard.press("0")
    assert zoomed(page) == whole


def test_pages_serve_without_scripts(world: World, open_as: OpenAs) -> None:
    """The plot, another candidate and the verdict all work by plain links and forms."""
    page = open_as(world.people["curator"])
    state = page.context.storage_state()
    assert page.context.browser is not None
    plain = page.context.browser.new_context(java_script_enabled=False, storage_state=state)
    bare = plain.new_page()
    bare.goto(page.url.rstrip("/") + f"/annotations/{world.annotation.public_id}/")
    assert bare.locator(".plot .peak").count() > 0
    bare.locator("#pick-2").click()
    bare.get_by_text(re.compile(r"^Rank 2 of")).wait_for()
    bare.get_by_label("Accept rank 1").check()
    bare.get_by_role("button", name="Record the verdict").click()
    bare.get_by_text("Recorded: accept rank 1.").wait_for()
    plain.close()
