"""The search of the help works in a browser under the server's content security policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_search_finds_a_term_and_opens_it(
    browser: Browser, live_server: LiveServer, settings: Settings, built: Path
) -> None:
    settings.HELP_ROOT = built
    complaints: list[str] = []
    page = browser.new_page(base_url=live_server.url)
    watch(page, urlsplit(live_server.url).netloc, complaints, ())
    page.goto("/help/")
    page.get_by_label("Search").fill("lease")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Glossary > Lease").click()
    page.wait_for_url("**/help/glossary.html#lease")
    assert page.get_by_role("heading", name="Lease").is_visible()
    page.close()
    assert complaints == []
