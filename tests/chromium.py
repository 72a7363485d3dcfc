"""The browser of all tests that need one. There is one for the whole session: Playwright refuses a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
# Chromium contacts its vendor in the background. A network may not allow that.
QUIET_FLAGS = (
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
    executable = os.environ.get("GLMR_CHROMIUM") or next(filter(None, map(shutil.which, EXECUTABLES)), None)
    if executable is None:
        pytest.skip("needs a browser: install Debian's chromium, or set GLMR_CHROMIUM to one")
    # Playwright keeps an event loop in this thread, so Django would refuse the ORM calls of a test.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    root_flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=[*QUIET_FLAGS, *root_flags])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
