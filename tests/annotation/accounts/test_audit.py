"""The audit log: what it records, that it cannot be changed, and that nobody can flood it."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.test import Client

from annotation.accounts.tokens import authenticate, issue, revoke
from annotation.models import Account, ApiToken, AuditEvent, Membership, Role
from tests.annotation.builders import make_project, make_user

pytestmark = pytest.mark.django_db
Kind = AuditEvent.Kind


@pytest.fixture(autouse=True)
def _fast_passwords(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def kinds_of(subject: str) -> list[str]:
    return list(AuditEvent.objects.filter(subject=subject).order_by("pk").values_list("kind", flat=True))


def test_sign_in_failure_and_sign_out_are_recorded_with_the_address() -> None:
    User.objects.create_user("ada", password="long enough 1")
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.post("/sign-in/", {"username": "ada", "password": "wrong"})
    client.post("/sign-in/", {"username": "ada", "password": "long enough 1"})
    client.post("/sign-out/")
    assert kinds_of("ada") == [Kind.RIGHTS_CHANGED, Kind.SIGN_IN_FAILED, Kind.SIGNED_IN, Kind.SIGNED_OUT]
    assert AuditEvent.objects.get(kind=Kind.SIGNED_IN).address == "192.0.2.7"


def test_changes_of_a_role_are_recorded() -> None:
    user = make_user("ada")
    project = make_project(user, Role.VIEWER)
    membership = Membership.objects.get(user=user)
    membership.role = Role.CURATOR
    membership.save()
    membership.save()
    membership.delete()
    events = AuditEvent.objects.filter(project=project.slug).order_by("pk").values_list("kind", "detail")
    assert list(events) == [
        (Kind.ROLE_GIVEN, "viewer"),
        (Kind.ROLE_CHANGED, "viewer → curator"),
        (Kind.ROLE_REMOVED, "curator"),
    ]


def test_an_administrators_change_names_the_administrator() -> None:
    admin = User.objects.create_superuser("root", password="long enough 1")
    other = User.objects.create_user("ada", password="long enough 1")
    client = Client()
    client.force_login(admin)
    data = {"usable_password": "true", "password1": "quite another 2", "password2": "quite another 2"}
    response = client.post(f"/admin/auth/user/{other.pk}/password/", data)
    assert response.status_code == 302
    event = AuditEvent.objects.get(kind=Kind.PASSWORD_CHANGED)
    assert (event.actor, event.subject) == ("root", "ada")
    assert Account.objects.get(user=other).must_change_password


def test_life_of_a_token_is_recorded() -> None:
    user = make_user("ada")
    token, secret = issue(project=make_project(user), user=user, name="LIMS", scopes=[ApiToken.Scope.READ])
    authenticate(secret)
    ApiToken.objects.update(last_used_at=None)
    authenticate(secret)  # a second use from the same address is no second event
    assert revoke(ApiToken.objects.all()) == 1
    assert revoke(ApiToken.objects.all()) == 0
    assert kinds_of(str(token)) == [Kind.TOKEN_ISSUED, Kind.TOKEN_USED, Kind.TOKEN_REVOKED]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE annotation_auditevent SET actor = ''",
        "DELETE FROM annotation_auditevent",
        "TRUNCATE annotation_auditevent",
    ],
)
def test_the_database_refuses_changes(statement: str) -> None:
    make_user("ada")
    with (
        pytest.raises(IntegrityError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_a_username_with_control_characters_is_recorded_in_one_line() -> None:
    Client().post("/sign-in/", {"username": "a\x00b\nc" + "x" * 500, "password": "wrong"})
    assert not AuditEvent.objects.filter(subject__contains="\n").exists()


def test_refused_tokens_of_one_address_make_one_event_a_minute() -> None:
    for _ in range(3):
        Client().get("/api/v1/jobs", headers={"Authorization": "Bearer glmr_00000000_x"})
    assert AuditEvent.objects.filter(kind=Kind.TOKEN_REFUSED).count() == 1
