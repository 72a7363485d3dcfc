"""Headless Chromium against a live server: Debian's, or GLMR_CHROMIUM; without one the tests skip.

Every page is watched: an error in its console, or a request to any other host, fails the test.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.worker.conftest import model_version, start, tiny_checkpoint

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, BrowserContext, Page
    from pytest_django.live_server_helper import LiveServer

    OpenAs = Callable[..., Page]

__all__ = ["model_version", "start", "tiny_checkpoint"]

# Chromium speaks with its maker on its own; a facility's network would show that.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("GLMR_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs a browser: install Debian's chromium, or name one in GLMR_CHROMIUM")
    # Playwright keeps an event loop in this thread; the ORM calls of a test are still made one by one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=[*QUIET, *as_root])
        yield running
        running.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def open_as(browser: Browser, live_server: LiveServer) -> Iterator[OpenAs]:
    """Sign a person in by the form and hand over the page. `complaints` are checked at the end."""
    from tests.annotation.builders import PASSWORD

    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(user: User, *, width: int = 1400, expected: tuple[str, ...] = ()) -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 900}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        watch(page, urlsplit(live_server.url).netloc, complaints, expected)
        page.goto("/sign-in/")
        page.get_by_label("User name").fill(user.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def watch(page: Page, host: str, complaints: list[str], expected: tuple[str, ...]) -> None:
    """`expected`: parts of console messages that the test brings about on purpose."""

    def hear(kind: str, text: str) -> None:
        if not any(part in text for part in expected):
            complaints.append(f"{kind}: {text}")

    page.on("console", lambda m: hear(m.type, m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: hear("script", str(error)))
    page.on("request", lambda r: None if urlsplit(r.url).netloc in (host, "") else hear("foreign", r.url))
