"""Fixtures for the tests of commands. Django is imported late: pytest reads this file before its setup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.annotation.api.world import World


@pytest.fixture
def world(db: None) -> World:
    from tests.annotation.api.world import make_world
    from tests.annotation.builders import make_user

    make_user("root", is_superuser=True)
    return make_world()


@pytest.fixture
def spectra(tmp_path: Path) -> Path:
    """Two usable spectra and one without a precursor."""
    from tests.annotation.api.test_submit_file import MGF

    path = tmp_path / "batch.mgf"
    path.write_bytes(MGF + MGF.replace(b"first", b"third"))
    return path
