"""Fixtures of the interface's tests. Django is imported late: pytest reads this before it is set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from tests.annotation.api.world import World


@pytest.fixture
def world(db: None) -> World:
    from tests.annotation.api.world import make_world

    return make_world()


@pytest.fixture
def client(world: World) -> APIClient:
    """A token with every scope, of a manager."""
    return world.client()
