"""Fixtures for tests of the pages.

Pytest loads this file before Django is set up, so a fixture imports what needs Django in its body.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_django import Settings

    from tests.annotation.web.world import World


@pytest.fixture(autouse=True)
def _find_static_files_on_request(settings: Settings) -> None:
    """Otherwise each test client scans all static files, which takes a second."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _help_pages(settings: Settings, tmp_path: Path) -> None:
    """An empty page for each page of the help, so that links to them open where the help is not built."""
    docs = Path(__file__).resolve().parents[3] / "docs"
    settings.HELP_ROOT = tmp_path / "help"
    for source in docs.rglob("*.md"):
        page = settings.HELP_ROOT / source.relative_to(docs).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<h1>Help</h1>")


@pytest.fixture
def world(db: None) -> World:
    from tests.annotation.web.world import make_world

    return make_world()
