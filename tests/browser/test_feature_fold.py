"""The page of a feature: all that a decision needs is on one screen, and shortcuts leave it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.models import Annotation
from tests.annotation.builders import make_annotation, make_job, make_library_version, make_model_version
from tests.annotation.web.world import World, make_world

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenAs

# Isomers C9H8O4, enough to fill the table.
ISOMERS = tuple(f"OC(=O)C=Cc1ccc(O{'C' * n})c(O)c1" for n in range(12))
ON_ONE_SCREEN = (
    "#confidence", "#plot-options", "#spectrum-panel svg", "#spectrum-panel [data-readout]",
    "#chosen img.structure",
    '[data-value="probability"]', '[data-candidate="1"]', '[data-candidate="2"]',
    "[data-review] input[value=accept]", "[data-review] button[type=submit]",
)  # fmt: skip


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def annotation(world: World) -> Annotation:
    model = make_model_version()
    library = make_library_version(ISOMERS, model)
    job = make_job(
        1, project=world.project, user=world.people["submitter"], model_version=model, library_version=library
    )
    return make_annotation(job.items.get(), fused=True, adduct_assumed=True)


def open_page(annotation: Annotation, world: World, open_as: OpenAs, width: int = 1280) -> Page:
    page = open_as(world.people["curator"], width=width)
    page.goto(f"/annotations/{annotation.public_id}/")
    page.locator("[data-spectrum-plot][data-drawn]").wait_for()
    return page


def scroll_y(page: Page) -> float:
    return float(page.evaluate("window.scrollY"))


def test_everything_that_a_decision_needs_is_on_one_screen(
    annotation: Annotation, world: World, open_as: OpenAs
) -> None:
    page = open_page(annotation, world, open_as)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    for selector in ON_ONE_SCREEN:
        box = page.locator(selector).first.bounding_box()
        assert box is not None, selector
        assert box["y"] + box["height"] <= 900, selector
    # The plot and the structure are above the candidates and are not cut by their boxes.
    cut = page.locator(".at-a-glance > .card").evaluate_all(
        "cards => cards.map(c => c.scrollHeight - c.clientHeight)"
    )
    assert max(cut) <= 1


def test_shortcuts_leave_plot_and_structure_on_the_screen(
    annotation: Annotation, world: World, open_as: OpenAs
) -> None:
    page = open_page(annotation, world, open_as)
    for rank in range(2, 11):
        page.keyboard.press("j")
        page.locator(f'#chosen[data-rank="{rank}"]').wait_for()
    assert scroll_y(page) == 0
    row, table = (page.locator(s).bounding_box() for s in ("tr.chosen", "#candidates .scroll"))
    assert row is not None
    assert table is not None
    assert table["y"] <= row["y"]
    assert row["y"] + row["height"] <= table["y"] + table["height"] + 1
    page.keyboard.press("a")
    assert page.evaluate("document.activeElement.type") == "submit"
    assert scroll_y(page) == 0


def test_the_own_structure_opens_and_letters_in_it_are_text(
    annotation: Annotation, world: World, open_as: OpenAs
) -> None:
    page = open_page(annotation, world, open_as)
    page.keyboard.press("p")
    page.keyboard.type("Cc1ccccn1")
    assert page.locator("#id_proposed_smiles").input_value() == "Cc1ccccn1"
    assert page.locator("input[name=decision]:checked").input_value() == "propose"
    assert scroll_y(page) == 0


def test_a_phone_has_a_bar_that_leads_to_the_parts(
    annotation: Annotation, world: World, open_as: OpenAs
) -> None:
    page = open_page(annotation, world, open_as, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    bar = page.locator(".action-bar")
    for _ in range(2):
        box = bar.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] == pytest.approx(900, abs=1)
        bar.get_by_text("Verdict").click()
        page.wait_for_function("window.scrollY > 500")
    review = page.locator("#review").bounding_box()
    assert review is not None
    assert 0 <= review["y"] < 200


def test_pictures_are_saved_as_svg_and_png(annotation: Annotation, world: World, open_as: OpenAs) -> None:
    page = open_page(annotation, world, open_as)
    for selector, start in (("svg", b"<svg"), ("png", b"\x89PNG")):
        with page.expect_download() as download:
            page.locator(f'#spectrum-panel [data-download="{selector}"]').click()
        assert download.value.suggested_filename == f"spectrum.{selector}"
        content = download.value.path().read_bytes()
        assert content.startswith(start)
        if selector == "svg":
            assert b"class=" not in content  # the look is in attributes, so any program draws it
