"""Makes a new version of the spectra that a project's curators accepted as references."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.accounts.models import Role
from annotation.management import lookups
from annotation.review.publish_references import NothingToPublish, publish


class Command(BaseCommand):
    help = "Gather what curators of a project accepted as references into a new version of its collection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="SLUG", help="else the only project")
        parser.add_argument("--user", metavar="NAME", help="on whose behalf; else a superuser")

    def handle(self, *arguments: Any, **options: Any) -> None:
        project = lookups.project(options["project"])
        user = lookups.person(options["user"], project, Role.CURATOR)
        try:
            version = publish(project, user)
        except NothingToPublish as nothing:
            raise CommandError(str(nothing)) from None
        self.stdout.write(f"{version}: {version.n_spectra:,} spectra of {version.n_molecules:,} molecules.")
