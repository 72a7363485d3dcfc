"""Issues an API token and shows its secret, once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.accounts.models import ApiToken
from annotation.accounts.tokens import ROLE_FOR_SCOPE, issue
from annotation.management import lookups


class Command(BaseCommand):
    help = "Issue an API token. The secret goes to standard output, once; only its hash is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="which machine or purpose it is for")
        parser.add_argument("--user", required=True, metavar="NAME", help="as whom the machine acts")
        parser.add_argument("--project", metavar="SLUG", help="else the only project")
        parser.add_argument(
            "--scope", action="append", choices=ApiToken.Scope.values, metavar="SCOPE",
            help=f"{', '.join(ApiToken.Scope.values)}; give it once for each; else read and submit",
        )  # fmt: skip
        parser.add_argument("--days", type=int, default=365, help="until it expires (365); 0: never")

    def handle(self, *arguments: Any, **options: Any) -> None:
        if options["days"] < 0:
            raise CommandError(f"--days {options['days']}: must be 0 or more.")
        scopes = [ApiToken.Scope(text) for text in options["scope"] or ["read", "submit"]]
        project = lookups.project(options["project"])
        strongest = max(
            (ROLE_FOR_SCOPE[scope] for scope in scopes), key=lambda role: len(role.and_above()) * -1
        )
        user = lookups.person(options["user"], project, strongest)
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        token, secret = issue(
            project=project, user=user, name=options["name"], scopes=scopes, expires_at=expires_at
        )
        until = f"until {expires_at:%Y-%m-%d}" if expires_at else "for ever"
        self.stderr.write(f"Token {token} for {user} in {project}: {', '.join(token.scopes)}, {until}.")
        self.stdout.write(secret)
