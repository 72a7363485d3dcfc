"""Roles: each includes the weaker ones, and none is valid in another project."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from annotation.accounts.roles import may
from annotation.models import Role
from tests.annotation.builders import make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_a_role_includes_the_weaker_roles(held: Role, needed: Role) -> None:
    user = make_user()
    order = list(Role)
    assert may(user, make_project(user, held), needed) == (order.index(held) >= order.index(needed))


def test_no_role_outside_the_project() -> None:
    user = make_user()
    make_project(user, Role.MANAGER)
    assert not may(user, make_project(), Role.VIEWER)


def test_superusers_may_do_everything_and_anonymous_users_nothing() -> None:
    project = make_project()
    assert may(make_user(is_superuser=True), project, Role.MANAGER)
    assert not may(AnonymousUser(), project, Role.VIEWER)


def test_the_strongest_role() -> None:
    assert Role.strongest([Role.SUBMITTER, Role.MANAGER, Role.VIEWER]) == Role.MANAGER
