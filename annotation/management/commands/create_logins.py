"""Makes the log-ins of a fresh server: an administrator, a curator and a submitter."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand

from annotation.accounts.demonstration import make_logins


class Command(BaseCommand):
    help = "Makes admin, curator and submitter where they are missing, with drawn passwords, and lists them."

    def handle(self, *arguments: object, **options: object) -> None:
        for login in make_logins(settings.DATA_DIR / "logins.json"):
            self.stdout.write(f"{login.username:<10} {login.password or '(as before)':<14} {login.role}")
