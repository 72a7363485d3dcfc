"""Pages in a real browser: nothing overflows, every control has a name, and the keyboard works in review."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.models import Annotation, Verdict
from tests.annotation.builders import make_annotation, make_job
from tests.annotation.web.world import World, make_world

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

    from tests.browser.conftest import OpenAs

# Elements without what assistive technology needs: names of controls, alternatives of images, captions of
# tables, one main heading, unique IDs.
INACCESSIBLE = """() => [
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


def make_fused(world: World, **overrides: object) -> Annotation:
    job = make_job(1, project=world.project, user=world.people["submitter"], name="Fused batch")
    return make_annotation(job.items.get(), fused=True, **overrides)


def paths(world: World) -> list[str]:
    likely, none = make_fused(world), make_fused(world, p_right=0.04, p_absent=0.9, abstains=True)
    return [
        *("/", "/submit/", "/review/", "/libraries/", "/models/", "/status/", "/about/"),
        f"/submit/report/?upload={world.annotation.spectrum.upload_id}",
        f"/jobs/{world.job.public_id}/",
        f"/annotations/{world.annotation.public_id}/",
        f"/annotations/{likely.public_id}/",
        f"/annotations/{none.public_id}/",
        f"/jobs/{likely.job.public_id}/",
        f"/libraries/versions/{world.job.library_version_id}/",
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [420, 1400])
def test_pages_fit_the_screen_and_are_accessible(width: int, world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"], width=width)
    for path in paths(world):
        page.goto(path)
        if path == "/submit/":  # curators may submit, so the page is the form
            assert page.locator("input[type=file]").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(INACCESSIBLE) == [], path


@pytest.mark.parametrize("width", [390, 1280])
def test_the_account_page_is_one_link_away_on_any_screen(width: int, world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"], width=width)
    page.locator('header a[href="/account/"]').click()
    page.wait_for_url("**/account/")


def test_skip_link_comes_first(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["viewer"])
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def show_rank(page: Page, rank: int) -> None:
    page.locator(f'#chosen[data-rank="{rank}"]').wait_for()


def test_another_candidate_is_shown_in_place(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"])
    page.goto(f"/annotations/{world.annotation.public_id}/")
    page.evaluate("window.sameDocument = true")
    page.locator("h1").click()
    page.keyboard.press("j")
    show_rank(page, 2)
    assert page.evaluate("window.sameDocument")
    assert page.locator("#id_candidate").input_value() == "2"
    assert page.locator("tr.chosen").get_attribute("data-candidate") == "2"
    page.keyboard.press("k")
    show_rank(page, 1)


def test_choosing_needs_a_reason_and_then_stands_in_the_history(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"], expected=("422",))
    page.goto(f"/annotations/{world.annotation.public_id}/")
    page.locator("h1").click()
    page.keyboard.press("j")
    show_rank(page, 2)
    page.keyboard.press("c")
    page.locator("[data-review] button[type=submit]").click()
    page.locator("#id_reason_error").wait_for()
    page.locator("[data-notice=not-recorded]").wait_for()
    page.wait_for_function("document.activeElement.name === 'reason'")
    page.keyboard.type("Diagnostic ion at m/z 121.")
    page.keyboard.press("Control+Enter")
    page.locator("[data-verdict=choose]").wait_for()
    assert Verdict.objects.get().reason == "Diagnostic ion at m/z 121."


def test_keys_move_along_the_queue(world: World, open_as: OpenAs) -> None:
    second = make_fused(world, p_right=0.9)
    first = make_fused(world, p_right=0.5)
    page = open_as(world.people["curator"])
    page.goto("/review/")
    page.locator(".page-head a.btn.main").click()
    page.wait_for_url(f"**/{first.public_id}/?queue=1")
    page.get_by_label("Comment").focus()
    page.keyboard.type("n")  # text: the page stays
    page.keyboard.press("Escape")  # leaves the field, so that letters are keys again
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.keyboard.press("n")
    page.wait_for_url(f"**/{second.public_id}/?queue=1")
    assert asked == ["beforeunload"]  # the comment was not saved
    page.keyboard.press("b")
    page.wait_for_url(f"**/{first.public_id}/?queue=1")


def test_a_proposed_molecule_becomes_the_curators_own(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["curator"])
    page.goto(f"/annotations/{make_fused(world).public_id}/")
    page.locator("[data-propose]").click()
    page.get_by_label("Reason").fill("The ion at m/z 121 needs the meta isomer.")
    page.locator("[data-review] button[type=submit]").click()
    page.locator("[data-verdict=propose]").wait_for()
    assert Verdict.objects.get().proposed_smiles == "CC(=O)Oc1cccc(C(=O)O)c1"


def test_review_works_without_scripts(world: World, open_as: OpenAs) -> None:
    """Another candidate and the verdict work by plain links and forms; the table stands in for the plot."""
    page = open_as(world.people["curator"])
    state = page.context.storage_state()
    assert page.context.browser is not None
    context = page.context.browser.new_context(java_script_enabled=False, storage_state=state)
    plain = context.new_page()
    plain.goto(page.url.rstrip("/") + f"/annotations/{world.annotation.public_id}/")
    assert plain.locator("[data-spectrum-plot] svg").is_hidden()
    assert plain.locator("[data-zoom=in]").is_hidden()
    assert plain.locator("[data-spectrum-plot] noscript p").is_visible()
    plain.locator("#spectrum-panel summary").click()
    assert plain.locator("tr[data-peak]").first.is_visible()
    plain.locator("#pick-2").click()
    show_rank(plain, 2)
    plain.get_by_label("Accept rank 1").check()
    plain.locator("[data-review] button[type=submit]").click()
    plain.locator("[data-verdict=accept]").wait_for()
    context.close()
