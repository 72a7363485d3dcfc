"""Fixtures for the tests of the REST interface. pytest reads this before Django is set up: import late."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_django import Settings
    from rest_framework.test import APIClient

    from tests.annotation.api.world import World


@pytest.fixture(autouse=True)
def _find_static_files_on_request(settings: Settings) -> None:
    """Otherwise each test client scans all static files, which takes a second."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _counts_begin_at_zero() -> None:
    """Limits by address would count the requests of earlier tests too."""
    from django.core.cache import caches
    from redis import RedisError

    caches["default"].clear()
    with suppress(RedisError, OSError):
        caches["shared"].clear()


@pytest.fixture
def world(db: None) -> World:
    from tests.annotation.api.world import make_world

    return make_world()


@pytest.fixture
def client(world: World) -> APIClient:
    """A client with the token of a manager, with every scope."""
    return world.client()
