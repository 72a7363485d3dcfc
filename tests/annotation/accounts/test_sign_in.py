"""Guessing: wrong passwords and wrong tokens are slowed down, and hurt nobody else."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from annotation.accounts.tokens import issue
from annotation.models import ApiToken, AuditEvent
from tests.annotation.builders import make_project, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "long enough 1"


@pytest.fixture(autouse=True)
def _fast_passwords(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _no_earlier_failures() -> None:
    cache.clear()


@pytest.mark.parametrize("page", ["/sign-in/", "/admin/login/"])
def test_the_right_password_does_not_work_after_sixty_wrong_ones(page: str, settings: LazySettings) -> None:
    User.objects.create_superuser("ada", password=PASSWORD)
    attacker = Client(REMOTE_ADDR="192.0.2.7")
    answers = [attacker.post(page, {"username": "ada", "password": f"{n}"}).status_code for n in range(20)]
    assert answers[: settings.AXES_FAILURE_LIMIT - 1] == [200] * (settings.AXES_FAILURE_LIMIT - 1)
    assert set(answers[settings.AXES_FAILURE_LIMIT :]) == {429}
    response = attacker.post(page, {"username": "ada", "password": PASSWORD})
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "300"
    # The owner, at another address, is not locked out.
    owner = Client(REMOTE_ADDR="192.0.2.8")
    assert owner.post(page, {"username": "ada", "password": PASSWORD, "next": "/"}).status_code == 302
    assert AuditEvent.objects.filter(kind=AuditEvent.Kind.SIGN_IN_BLOCKED).count() == 1


def test_a_success_forgets_earlier_failures(settings: LazySettings) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    for _ in range(3):
        client = Client()
        for password in ["wrong"] * (settings.AXES_FAILURE_LIMIT - 1) + [PASSWORD]:
            response = client.post("/sign-in/", {"username": "ada", "password": password})
        assert response.status_code == 302


def test_wrong_tokens_are_refused_without_a_query_after_some(settings: LazySettings) -> None:
    user = make_user("lims")
    _, secret = issue(project=make_project(user), user=user, name="L", scopes=[ApiToken.Scope.READ])

    def status(text: str, address: str) -> int:
        headers = {"Authorization": f"Bearer {text}"}
        return Client(REMOTE_ADDR=address).get("/api/v1/jobs", headers=headers).status_code

    answers = [status("glmr_00000000_x", "192.0.2.7") for _ in range(settings.GLMR_TOKEN_TRIES + 2)]
    assert answers == [401] * settings.GLMR_TOKEN_TRIES + [429] * 2
    assert status(secret, "192.0.2.7") == 429
    assert status(secret, "192.0.2.8") == 200
