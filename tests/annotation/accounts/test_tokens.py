"""Tokens: stored only as a hash, refused once expired or revoked, their last use stored once a minute."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.accounts.tokens import authenticate, issue
from annotation.models import ApiToken
from tests.annotation.builders import make_project, make_user

pytestmark = pytest.mark.django_db


def make_token(**overrides: object) -> tuple[ApiToken, str]:
    user = make_user()
    fields = {"project": make_project(user), "user": user, "name": "LIMS", "scopes": [ApiToken.Scope.READ]}
    return issue(**(fields | overrides))  # type: ignore[arg-type]


def test_secret_is_not_stored() -> None:
    token, secret = make_token()
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert secret.startswith(f"glmr_{token.prefix}_")
    assert not any(secret.split("_", 2)[2] in str(value) for value in row.values())


def test_secret_authenticates() -> None:
    token, secret = make_token()
    assert authenticate(secret) == token


@pytest.mark.parametrize("text", ["{0}x", "x{0}", "", "glmr_", "glmr__", "glmr_é_x", "\ud800", "Bearer {0}"])
def test_any_other_text_is_refused(text: str) -> None:
    _, secret = make_token()
    assert authenticate(text.format(secret)) is None


def test_prefix_of_a_token_with_the_secret_of_another_is_refused() -> None:
    first, _ = make_token()
    _, second_secret = make_token()
    assert authenticate(f"glmr_{first.prefix}_{second_secret.split('_', 2)[2]}") is None


def test_expired_token_is_refused() -> None:
    _, secret = make_token(expires_at=timezone.now() - timedelta(seconds=1))
    assert authenticate(secret) is None


def test_revoked_token_is_refused() -> None:
    token, secret = make_token()
    ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
    assert authenticate(secret) is None


def test_token_of_an_inactive_person_is_refused() -> None:
    token, secret = make_token()
    token.user.is_active = False
    token.user.save()
    assert authenticate(secret) is None


def test_last_use_is_stored_at_most_once_a_minute(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    token, secret = make_token()
    with django_assert_num_queries(4):  # the token, its use, and the event of the day
        authenticate(secret)
    with django_assert_num_queries(1):
        authenticate(secret)
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now() - timedelta(minutes=2))
    authenticate(secret)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at > timezone.now() - timedelta(seconds=30)
