"""WCAG 2.2 AA by axe-core: every page, wide and narrow, light and dark, administration and API docs too.

With GLMR_PICTURES=FOLDER the test also stores a picture of each page there, for people to look at.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.annotation.web.world import World, make_world
from tests.browser.site_pages import (
    NO_PAGES,
    SitePage,
    admin_pages,
    named_addresses,
    project_pages,
    site_pages,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenAs

axe = pytest.importorskip("axe_playwright_python.base")

WIDTHS = (1280, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Only colours differ between light and dark, so the other rules run once.
RULES = {
    "light": {"runOnly": {"type": "tag", "values": LEVELS}, "resultTypes": ["violations"]},
    "dark": {"runOnly": ["color-contrast"], "resultTypes": ["violations"]},
}
# Colours that fade to those of the other scheme are measured when they have arrived.
RUN = """async rules => {
  await Promise.all(document.getAnimations().map(fade => fade.finished.catch(() => null)));
  return (await axe.run(document, rules)).violations.flatMap(
  broken => broken.nodes.map(node => `${broken.id}: ${node.target.join(" ")} ${node.html.slice(0, 160)} ${
    [...node.any, ...node.all, ...node.none].map(check => check.message).join("; ")}`));
}"""
# A style element would break the content security policy of the pages.
UNSTICK = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(".action-bar, .verdict-actions { position: static !important }");
  document.adoptedStyleSheets.push(sheet);
}"""
# Made by the templates and scripts of Django's administration: inline rows and select2 fields without names,
# and tables that are wider than the screen.
ADMIN_KNOWN = (
    "label:",
    "select-name:",
    "aria-input-field-name:",
    "scrollable-region-focusable:",
    "aria-prohibited-attr:",  # the help of two-column choices
    "is ",  # "is 1671 pixels wide"
)
# In Swagger UI the line of an operation is a button that holds a link. Its script makes both, so no style
# sheet can part them; each does the same, and the keyboard reaches both.
SWAGGER_KNOWN = "nested-interactive: "
PICTURES = os.environ.get("GLMR_PICTURES", "")


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


def violations(page: Page, site_page: SitePage, width: int) -> list[str]:
    """What breaks the standard on the page as shown, in light and in dark."""
    page.evaluate(axe.AXE_SCRIPT)
    # These lie over whatever is at the edge of the screen, which scrolling brings out.
    page.evaluate(UNSTICK)
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{site_page.path} {width} {scheme} {text}" for text in page.evaluate(RUN, RULES[scheme])]
        if PICTURES:
            name = re.sub(r"[^a-z0-9]+", "-", site_page.path.lower()).strip("-") or "home"
            path = Path(PICTURES) / f"{name[:60]}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
    return found


def look(page: Page, pages: list[SitePage]) -> list[str]:
    """Opens each page at each width; returns all violations, and the pages wider than the screen."""
    found = []
    for site_page in pages:
        answer = page.goto(site_page.path)
        assert answer is not None
        assert answer.status == site_page.status, site_page
        for width in WIDTHS:
            if site_page.name == "api:docs":  # made by a script
                page.locator(".opblock").first.wait_for()
            page.set_viewport_size({"width": width, "height": 900})
            found += violations(page, site_page, width)
            shown = page.evaluate("document.documentElement.scrollWidth")
            found += [f"{site_page.path} {width} is {shown} pixels wide"] if shown > width else []
    return found


def test_no_address_is_forgotten(world: World) -> None:
    pages = [*site_pages(world), *project_pages(world)]
    known = {site_page.name for site_page in pages} - {"error"}
    assert known | set().union(*NO_PAGES.values()) | {"login"} == named_addresses()


@pytest.mark.timeout(300)
def test_pages_meet_the_standard(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["admin"], expected=("404",))
    found = look(page, site_pages(world))
    assert not found, "\n".join(found)


@pytest.mark.timeout(300)
def test_pages_of_managers_meet_the_standard(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["admin"])
    found = look(page, project_pages(world))
    assert not found, "\n".join(found)
    page.context.clear_cookies()
    page = open_as(world.people["stranger"])
    slug = world.people["stranger"].memberships.get().project.slug
    found = look(
        page, [SitePage("empty", f"/projects/{slug}/{name}/") for name in ("service-accounts", "webhooks")]
    )
    assert not found, "\n".join(found)


@pytest.mark.timeout(300)
def test_pages_without_records_meet_the_standard(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["stranger"])
    empty = ("/", "/review/", "/libraries/", "/submit/")
    found = look(page, [SitePage("empty", path) for path in empty])
    assert not found, "\n".join(found)
    page.context.clear_cookies()
    found = look(page, [SitePage("login", "/sign-in/")])
    assert not found, "\n".join(found)


@pytest.mark.timeout(300)
def test_administration_meets_the_standard(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["admin"])
    found = look(page, admin_pages(world))
    found = [
        text for text in found if not text.split(" ", 2)[2].removeprefix("light ").startswith(ADMIN_KNOWN)
    ]
    assert not found, "\n".join(found)


@pytest.mark.timeout(300)
def test_api_documentation_meets_the_standard(world: World, open_as: OpenAs) -> None:
    page = open_as(world.people["viewer"])
    found = [text for text in look(page, [SitePage("api:docs", "/api/v1/docs")]) if SWAGGER_KNOWN not in text]
    assert not found, "\n".join(found)
