"""Headless Chromium against a live server: Debian's, or the one in GLMR_CHROMIUM. Without one the tests skip.

Every page is watched: an error in its console, or a request to another host, fails the test.
"""

from __future__ import annotations

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


@pytest.fixture
def open_as(browser: Browser, live_server: LiveServer) -> Iterator[OpenAs]:
    """Opens a page with a person signed in by the form. Errors of the page fail the test at its end."""
    from tests.annotation.builders import PASSWORD

    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(user: User, *, width: int = 1400, expected: tuple[str, ...] = ()) -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 900}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        watch(page, urlsplit(live_server.url).netloc, errors, expected)
        page.goto("/sign-in/")
        page.locator("input[name=username]").fill(user.username)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[name=password]").press("Enter")
        page.locator('form[action="/sign-out/"]').wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def watch(page: Page, host: str, errors: list[str], expected: tuple[str, ...]) -> None:
    """Collects errors of the page. `expected` are parts of messages that the test causes on purpose."""

    def collect(kind: str, message: str) -> None:
        if not any(part in message for part in expected):
            errors.append(f"{kind}: {message}")

    page.on("console", lambda m: collect(m.type, m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: collect("script", str(error)))
    page.on(
        "request", lambda r: None if urlsplit(r.url).netloc in (host, "") else collect("other host", r.url)
    )
