"""The account page: password, sessions, tokens, time zone; and the limits of a session in time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from annotation.accounts import browser_sessions
from annotation.accounts.tokens import issue
from annotation.models import Account, ApiToken, BrowserSession
from tests.annotation.builders import make_project

pytestmark = pytest.mark.django_db
OLD, NEW = "long enough 1", "quite another 2"


@pytest.fixture(autouse=True)
def _fast_passwords(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password=OLD)


def signed_in(user: User) -> Client:
    client = Client()
    response = client.post("/sign-in/", {"username": user.username, "password": OLD})
    assert response.status_code == 302
    return client


def change_password(client: Client, new: str = NEW) -> int:
    data = {"old_password": OLD, "new_password1": new, "new_password2": new}
    return client.post("/account/password/", data).status_code


def test_a_new_password_signs_out_all_other_browsers(ada: User) -> None:
    here, elsewhere = signed_in(ada), signed_in(ada)
    assert change_password(here) == 302
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(NEW)


def test_a_weak_password_is_refused(ada: User) -> None:
    assert change_password(signed_in(ada), "12345") == 200
    ada.refresh_from_db()
    assert ada.check_password(OLD)


def test_a_session_elsewhere_can_be_ended_but_not_a_strangers(ada: User) -> None:
    here, elsewhere = signed_in(ada), signed_in(ada)
    stranger = User.objects.create_user("eve", password=OLD)
    theirs = signed_in(stranger)
    keys = {client: client.session.session_key for client in (elsewhere, theirs)}
    rows = {client: BrowserSession.objects.get(session_key=key) for client, key in keys.items()}
    assert here.post(f"/account/sessions/{rows[elsewhere].pk}/end/").status_code == 302
    assert here.post(f"/account/sessions/{rows[theirs].pk}/end/").status_code == 404
    assert elsewhere.get("/account/").status_code == 302
    assert theirs.get("/account/").status_code == 200


def test_own_tokens_can_be_revoked(ada: User) -> None:
    project = make_project(ada)
    token, _ = issue(project=project, user=ada, name="LIMS", scopes=[ApiToken.Scope.READ])
    stranger = User.objects.create_user("eve", password=OLD)
    assert signed_in(stranger).post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert signed_in(ada).post(f"/account/tokens/{token.pk}/revoke/").status_code == 302
    token.refresh_from_db()
    assert not token.is_usable()


def test_a_first_password_must_be_changed_before_anything_else(ada: User) -> None:
    Account.objects.create(user=ada, must_change_password=True)
    client = signed_in(ada)
    for page in ("/", "/jobs/", "/account/", "/admin/"):
        response = client.get(page)
        assert (response.status_code, response.headers["Location"]) == (302, "/account/password/")
    answer = client.get("/api/v1/jobs")
    assert answer.status_code == 403
    assert "password" in answer.json()["detail"]
    assert b"must-change-password" in client.get("/account/password/").content
    assert change_password(client) == 302
    assert client.get("/").status_code == 200
    assert not Account.objects.get(user=ada).must_change_password


def test_pages_show_times_in_the_chosen_zone(ada: User) -> None:
    client = signed_in(ada)
    assert client.post("/account/", {"time_zone": "Asia/Tokyo"}).status_code == 302
    assert b" JST" in client.get("/account/").content
    assert client.post("/account/", {"time_zone": "Mars/Olympus"}).status_code == 200
    assert b" JST" in signed_in(ada).get("/account/").content


def test_a_session_ends_after_its_longest_time(ada: User) -> None:
    client = signed_in(ada)
    session = client.session
    session[browser_sessions.STARTED_AT] = int(time.time()) - 169 * 3600
    session.save()
    response = client.get("/jobs/")
    assert (response.status_code, response.headers["Location"]) == (302, "/sign-in/?next=/jobs/")
    assert client.get("/jobs/").status_code == 302


def test_use_moves_the_end_of_an_idle_session(ada: User) -> None:
    client = signed_in(ada)
    session = client.session
    session[browser_sessions.SEEN_AT] = int(time.time()) - 3600
    session.save()
    BrowserSession.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    client.get("/jobs/")
    assert client.session[browser_sessions.SEEN_AT] > time.time() - 60
    assert BrowserSession.objects.get().seen_at > timezone.now() - timedelta(minutes=1)


def test_private_pages_are_never_cached(ada: User) -> None:
    client = signed_in(ada)
    for page in ("/jobs/", "/api/v1/jobs", "/account/"):
        assert "no-store" in client.get(page).headers["Cache-Control"]
