"""Service accounts, and the rotation of tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone

from annotation.accounts import tokens
from annotation.accounts.service_accounts import CannotCreate, close, create, issue_token
from annotation.accounts.tokens import CannotRotate, authenticate, rotate
from annotation.models import ApiToken, AuditEvent, Project, Role, ServiceAccount
from tests.annotation.builders import make_project

pytestmark = pytest.mark.django_db
Kind = AuditEvent.Kind


@pytest.fixture
def project() -> Project:
    return make_project(slug="rhine")


def make_account(project: Project, role: Role = Role.CURATOR, name: str = "lims") -> ServiceAccount:
    return create(project=project, name=name, role=role, by=None)


def kinds() -> set[str]:
    return set(AuditEvent.objects.values_list("kind", flat=True))


def test_an_account_acts_as_a_user_that_cannot_sign_in(project: Project) -> None:
    account = make_account(project)
    assert account.user.username == "lims@rhine"
    assert not account.user.has_usable_password()
    assert account.role == Role.CURATOR
    assert Kind.SERVICE_ACCOUNT in kinds()


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 61, "é"])
def test_names_that_are_refused(project: Project, name: str) -> None:
    with pytest.raises(CannotCreate) as refusal:
        make_account(project, name=name)
    assert refusal.value.field == "name"


def test_a_name_is_used_once_for_ever(project: Project) -> None:
    close(make_account(project))
    with pytest.raises(CannotCreate):
        make_account(project, name="LIMS")
    make_account(make_project(slug="elbe"))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", ApiToken.Scope)
def test_a_token_gets_only_scopes_of_its_role(project: Project, role: Role, scope: ApiToken.Scope) -> None:
    account = make_account(project, role)
    if tokens.ROLE_FOR_SCOPE[scope] in list(Role)[: list(Role).index(role) + 1]:
        token, secret = issue_token(account, name="", scopes=[scope], days=None)
        assert authenticate(secret) == token
        assert token.name == "lims"
    else:
        with pytest.raises(CannotCreate, match=scope):
            issue_token(account, name="", scopes=[scope], days=None)


def test_tokens_expire_by_default(project: Project, settings: LazySettings) -> None:
    account = make_account(project)

    def days_of_new_token(days: int | None) -> float | None:
        token, _ = issue_token(account, name="", scopes=["read"], days=days)
        return (token.expires_at - timezone.now()) / timedelta(days=1) if token.expires_at else None

    assert days_of_new_token(None) == pytest.approx(90, abs=0.1)
    assert days_of_new_token(7) == pytest.approx(7, abs=0.1)
    settings.GLMR_TOKEN_DAYS = 0
    assert days_of_new_token(None) is None


def test_a_closed_account_and_its_tokens_are_refused(project: Project) -> None:
    account = make_account(project)
    _, secret = issue_token(account, name="", scopes=["read"], days=None)
    close(account)
    assert authenticate(secret) is None
    account.refresh_from_db()
    with pytest.raises(CannotCreate, match="closed"):
        issue_token(account, name="", scopes=["read"], days=None)
    assert {Kind.TOKEN_ISSUED, Kind.TOKEN_REVOKED, Kind.SERVICE_ACCOUNT} <= kinds()


def test_both_tokens_work_during_the_overlap_of_a_rotation(project: Project) -> None:
    old, old_secret = issue_token(make_account(project), name="A", scopes=["read", "submit"], days=None)
    new, new_secret = rotate(old, timedelta(hours=2))
    assert (new.name, new.scopes, new.user, new.replaces) == (old.name, old.scopes, old.user, old)
    assert authenticate(old_secret) == old
    assert authenticate(new_secret) == new
    old.refresh_from_db()
    assert old.expires_at is not None
    assert old.expires_at <= timezone.now() + timedelta(hours=2)
    ApiToken.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    assert authenticate(old_secret) is None
    assert Kind.TOKEN_ROTATED in kinds()


def test_without_an_overlap_the_old_token_ends_at_once(project: Project) -> None:
    old, old_secret = issue_token(make_account(project), name="A", scopes=["read"], days=None)
    rotate(old, timedelta(0))
    assert authenticate(old_secret) is None


def test_a_rotation_never_lengthens_the_old_token(project: Project) -> None:
    old, _ = issue_token(make_account(project), name="A", scopes=["read"], days=1)
    rotate(old, timedelta(days=20))
    before = old.expires_at
    old.refresh_from_db()
    assert old.expires_at == before


def test_rotations_that_are_refused(project: Project) -> None:
    old, _ = issue_token(make_account(project), name="A", scopes=["read"], days=None)
    with pytest.raises(CannotRotate, match="overlap"):
        rotate(old, timedelta(days=31))
    rotate(old)
    with pytest.raises(CannotRotate, match="before"):
        rotate(old)
    assert ApiToken.objects.count() == 2
    old.revoked_at = timezone.now()
    with pytest.raises(CannotRotate, match="revoked"):
        rotate(old)
