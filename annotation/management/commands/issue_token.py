"""Issue an API token and show its secret once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.accounts.models import ApiToken, Role
from annotation.accounts.tokens import ROLE_FOR_SCOPE, issue
from annotation.management import lookups


class Command(BaseCommand):
    help = "Issue an API token. Its secret is written to standard output once; only a hash is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the machine or purpose that uses the token")
        parser.add_argument(
            "--user", required=True, metavar="NAME", help="the person for whom the machine acts"
        )
        parser.add_argument("--project", metavar="SLUG", help="default: the only project")
        parser.add_argument(
            "--scope", action="append", choices=ApiToken.Scope.values, metavar="SCOPE",
            help=f"{', '.join(ApiToken.Scope.values)}; repeat for several; default: read and submit",
        )  # fmt: skip
        parser.add_argument(
            "--days", type=int, default=settings.GLMR_TOKEN_DAYS,
            help="days until it expires; 0: never; default: the setting GLMR_TOKEN_DAYS, 90",
        )  # fmt: skip

    def handle(self, *arguments: Any, **options: Any) -> None:
        if options["days"] < 0:
            raise CommandError(f"--days {options['days']}: must be 0 or more.")
        scopes = [ApiToken.Scope(text) for text in options["scope"] or ["read", "submit"]]
        project = lookups.project(options["project"])
        needed = Role.strongest(ROLE_FOR_SCOPE[scope] for scope in scopes)
        user = lookups.person(options["user"], project, needed)
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        token, secret = issue(
            project=project,
            user=user,
            name=options["name"],
            scopes=scopes,
            expires_at=expires_at,
            never_expires=expires_at is None,
        )
        until = f"until {expires_at:%Y-%m-%d}" if expires_at else "without an expiry date"
        self.stderr.write(f"Token {token} for {user} in {project}: {', '.join(token.scopes)}, {until}.")
        self.stdout.write(secret)
