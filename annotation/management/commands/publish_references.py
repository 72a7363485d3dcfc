"""Publish the spectra that the curators of a project accepted as references, as a new version."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.accounts.models import Role
from annotation.management import lookups
from annotation.review.publish_references import NothingToPublish, publish


class Command(BaseCommand):
    help = "Publish the spectra that curators of a project accepted, as a new version of its collection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="SLUG", help="default: the only project")
        parser.add_argument("--user", metavar="NAME", help="the person who publishes; default: a superuser")

    def handle(self, *arguments: Any, **options: Any) -> None:
        project = lookups.project(options["project"])
        user = lookups.person(options["user"], project, Role.CURATOR)
        try:
            version = publish(project, user)
        except NothingToPublish as nothing:
            raise CommandError(str(nothing)) from None
        self.stdout.write(f"{version}: {version.n_spectra:,} spectra of {version.n_molecules:,} molecules.")
