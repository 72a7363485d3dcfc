"""The world that tests of the pages walk in.

Pytest loads this file before Django is set up, so what needs Django is imported inside the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_django import Settings

    from tests.annotation.web.world import World


@pytest.fixture(autouse=True)
def _static_files_unscanned(settings: Settings) -> None:
    """Each test client would look through all static files once more: a second a time."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _help_page(settings: Settings, tmp_path: Path) -> None:
    """A page at /help/, so that links to it open where the help is not built."""
    settings.HELP_ROOT = tmp_path / "help"
    settings.HELP_ROOT.mkdir()
    (settings.HELP_ROOT / "index.html").write_text("<h1>Help</h1>")


@pytest.fixture
def world(db: None) -> World:
    from tests.annotation.web.world import make_world

    return make_world()
