"""Roles: each may do all that the weaker ones may, and nothing in another project."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from annotation.accounts.roles import may
from annotation.models import Role
from tests.annotation.builders import make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("asked", Role)
def test_a_role_includes_the_weaker_ones(held: Role, asked: Role) -> None:
    user = make_user()
    order = list(Role)
    assert may(user, make_project(user, held), asked) == (order.index(held) >= order.index(asked))


def test_no_role_outside_the_project() -> None:
    user = make_user()
    make_project(user, Role.MANAGER)
    assert not may(user, make_project(), Role.VIEWER)


def test_superusers_may_everything_and_strangers_nothing() -> None:
    project = make_project()
    assert may(make_user(is_superuser=True), project, Role.MANAGER)
    assert not may(AnonymousUser(), project, Role.VIEWER)
