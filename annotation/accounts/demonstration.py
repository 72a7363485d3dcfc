"""The three logins and the project of a new one-machine server.

A person who exists is not changed.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from annotation.accounts.models import Account, Membership, Project, Role

PROJECT_SLUG = "demonstration"
# The external id of the job that `manage.py load_demonstration` submits: the release of its spectra.
JOB_EXTERNAL_ID = "massbank-2025.05.1"


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str  # empty if this module did not create the person
    role: str


_PEOPLE = (("admin", "administrator"), ("curator", Role.CURATOR), ("submitter", Role.SUBMITTER))


def make_logins(passwords_file: Path) -> list[Login]:
    """Create the missing people, and return all three logins.

    Random passwords are stored in the file, which only its owner can read. A server for demonstration keeps
    it; a real one calls `forget_passwords` after it has shown them.
    """
    passwords = _read(passwords_file)
    missing = [name for name, _ in _PEOPLE if not User.objects.filter(username=name).exists()]
    if missing:
        passwords |= {name: secrets.token_urlsafe(9) for name in missing}
        # The file is written first: without the password nobody could sign in as a person that exists.
        _write(passwords_file, passwords)
        _create_people(missing, passwords)
    return [Login(name, passwords.get(name, ""), str(role)) for name, role in _PEOPLE]


def forget_passwords(passwords_file: Path) -> None:
    """Delete the passwords that were shown. Whoever still has such a password must choose another."""
    for username, password in _read(passwords_file).items():
        user = User.objects.filter(username=username).first()
        if user is not None and user.check_password(password):
            Account.objects.update_or_create(user=user, defaults={"must_change_password": True})
    passwords_file.unlink(missing_ok=True)


@transaction.atomic
def _create_people(missing: list[str], passwords: dict[str, str]) -> None:
    project, _ = Project.objects.get_or_create(
        slug=PROJECT_SLUG,
        defaults={"name": "Demonstration", "description": "Created by the first start of this server."},
    )
    for name, role in _PEOPLE:
        if name not in missing:
            continue
        if name == "admin":
            User.objects.create_superuser(username=name, password=passwords[name])
            continue
        user = User.objects.create_user(username=name, password=passwords[name])
        Membership.objects.create(project=project, user=user, role=role)


def _read(file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(file.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _write(file: Path, passwords: dict[str, str]) -> None:
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(passwords, stream, indent=1)
    unfinished.replace(file)
