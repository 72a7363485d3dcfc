"""Files of imports in a folder of the test, and no renewal of leases from another database session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture(autouse=True)
def _no_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another session does not see the rows of a test, whose transaction never ends."""
    from annotation.imports import run

    monkeypatch.setattr(run._Step, "_every_s", staticmethod(lambda: 3600.0))
