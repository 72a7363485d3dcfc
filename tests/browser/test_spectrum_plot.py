"""The spectrum plot in a real browser: drawn, read by keyboard, zoomed, kept between candidates, printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotation.models import Annotation
from tests.annotation.builders import make_annotation, make_spectrum
from tests.annotation.web.world import World, make_world

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenAs


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def open_plot(world: World, open_as: OpenAs, annotation: Annotation | None = None, width: int = 1400) -> Page:
    page = open_as(world.people["curator"], width=width)
    page.goto(f"/annotations/{(annotation or world.annotation).public_id}/")
    page.locator("[data-spectrum-plot][data-drawn]").wait_for()
    return page


def shown_range(page: Page) -> tuple[float, float]:
    plot = page.locator("[data-spectrum-plot]")
    return float(plot.get_attribute("data-low") or "nan"), float(plot.get_attribute("data-high") or "nan")


def readout(page: Page) -> str:
    return page.locator("[data-readout]").inner_text()


def show_next_candidate(page: Page) -> None:
    rank = int(page.locator("#chosen").get_attribute("data-rank") or "0")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.locator(f'#chosen[data-rank="{rank + 1}"]').wait_for()
    page.locator("[data-spectrum-plot][data-drawn]").wait_for()


def test_every_peak_is_drawn_and_explained_peaks_are_coloured(world: World, open_as: OpenAs) -> None:
    page = open_plot(world, open_as)
    assert page.locator("[data-spectrum-plot] line.peak").count() == 4
    explained = page.locator("tr[data-explained]").count()
    assert page.locator("[data-spectrum-plot] line.peak.explained").count() == explained > 0
    assert page.locator("[data-spectrum-plot] line.precursor").count() == 1


def test_a_spectrum_without_peaks_or_precursor_is_drawn(world: World, open_as: OpenAs) -> None:
    item = world.job.items.get(state="pending")
    item.spectrum = make_spectrum(item.spectrum.upload, mz=(), intensity=(), precursor_mz=None)
    item.save()
    page = open_plot(world, open_as, make_annotation(item))
    assert shown_range(page) == (0, 100)
    page.locator("[data-spectrum-plot] svg").focus()
    page.keyboard.press("ArrowRight")
    assert readout(page) == ""


def test_zoom_by_button_keyboard_and_mouse(world: World, open_as: OpenAs) -> None:
    page = open_plot(world, open_as)
    whole = shown_range(page)
    page.locator("[data-zoom=in]").click()
    low, high = shown_range(page)
    assert high - low == pytest.approx((whole[1] - whole[0]) / 2, abs=0.001)
    page.locator("[data-zoom=reset]").click()
    assert shown_range(page) == whole
    svg = page.locator("[data-spectrum-plot] svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 100, steps=5)
    page.mouse.up()
    assert whole[0] < shown_range(page)[0] < shown_range(page)[1] < whole[1]
    assert page.locator(".selection").count() == 0
    svg.focus()
    page.keyboard.press("0")
    assert shown_range(page) == whole


def test_arrows_read_peak_after_peak_and_the_structure_shows_the_fragment(
    world: World, open_as: OpenAs
) -> None:
    page = open_plot(world, open_as)
    page.locator("[data-spectrum-plot] svg").focus()
    page.keyboard.press("ArrowRight")
    assert readout(page).startswith("m/z 65.0386, 12.0 % of base peak")
    page.keyboard.press("ArrowRight")
    assert readout(page).startswith("m/z 121.0284, 100.0 %")
    assert page.locator("line.peak.active").count() == 1
    page.locator('[data-fragments][src*="atoms="]').wait_for()
    page.keyboard.press("ArrowLeft")
    assert readout(page).startswith("m/z 65.0386")


def test_arrows_move_the_zoomed_range_along(world: World, open_as: OpenAs) -> None:
    page = open_plot(world, open_as)
    page.locator("[data-spectrum-plot] svg").focus()
    page.keyboard.press("ArrowRight")
    for _ in range(4):
        page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    low, high = shown_range(page)
    assert low <= 121.0284 <= high
    assert readout(page).startswith("m/z 121.0284")


def test_another_candidate_is_drawn_and_the_zoom_stays(world: World, open_as: OpenAs) -> None:
    page = open_plot(world, open_as)
    page.locator("[data-zoom=in]").click()
    zoomed = shown_range(page)
    show_next_candidate(page)
    assert shown_range(page) == zoomed
    assert "peaks" in readout(page)
    peaks = page.locator("[data-spectrum-plot] line.peak").count()
    assert 0 < peaks <= 4
    page.locator("[data-zoom=reset]").click()
    assert page.locator("[data-spectrum-plot] line.peak").count() == 4


def test_the_plot_fits_a_narrow_screen(world: World, open_as: OpenAs) -> None:
    page = open_plot(world, open_as, width=390)
    box = page.locator("[data-spectrum-plot] svg").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    ends = page.locator("[data-spectrum-plot] text").evaluate_all(
        "texts => texts.map(text => text.getBoundingClientRect()).map(box => [box.left, box.right])"
    )
    assert all(left >= 0 and right <= 390 for left, right in ends)


def test_print_keeps_the_plot_and_drops_its_controls(world: World, open_as: OpenAs) -> None:
    page = open_plot(world, open_as)
    page.emulate_media(media="print")
    assert page.locator("[data-spectrum-plot] svg").is_visible()
    assert page.locator("[data-zoom=in]").is_hidden()
