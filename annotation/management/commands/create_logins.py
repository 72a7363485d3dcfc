"""Create the logins of a new server: an administrator, a curator and a submitter."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand

from annotation.accounts.demonstration import forget_passwords, make_logins


class Command(BaseCommand):
    help = "Create admin, curator and submitter with random passwords if they do not exist, and list them."

    def handle(self, *arguments: object, **options: object) -> None:
        passwords = settings.DATA_DIR / "logins.json"
        for login in make_logins(passwords):
            self.stdout.write(f"{login.username:<10} {login.password or '(unchanged)':<14} {login.role}")
        self.stdout.write("These passwords are not shown again. Each must be changed at the first sign-in.")
        forget_passwords(passwords)
